// Derivatives by other parameters, see kernels/chain_rule.py.
#pragma once

#include "cells_functions.hpp"

namespace rnnstats {
namespace cells {

// new_j = factor_j old_{source_j}, and weight_i old_{also_i} more at to_i.
struct Rule {
    std::int64_t count = 0, more = 0;
    const std::int64_t *source = nullptr;
    const double *factor = nullptr;
    const std::int64_t *to = nullptr, *also = nullptr;
    const double *weight = nullptr;
};

RNNSTATS_CELLS_CLONES inline void by_rule(const Rule &rule, const double *from, double *out) {
    const std::int64_t *source = rule.source;
    const double *factor = rule.factor;
    for (std::int64_t j = 0; j < rule.count; ++j) out[j] = factor[j] * from[source[j]];
    for (std::int64_t i = 0; i < rule.more; ++i) out[rule.to[i]] += rule.weight[i] * from[rule.also[i]];
}

} // namespace cells
} // namespace rnnstats
