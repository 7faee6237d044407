// Derivatives of each row's log-likelihood along q directions, carried forward with the recursion.
#pragma once

#include "markov_exact.hpp"

namespace rnnstats {
namespace markov {

// d_log_density (n, S, q), d_transition (k, k, q) or (n, k, k, q), d_start (sequences, S, q).
struct Directions {
    int q;
    const double *log_density;
    const double *transition;
    const double *start;

    const double *into(const Chain &c, std::int64_t t) const {
        return transition + (c.varies ? t * c.k * c.k * q : 0);
    }
};

// to (S, q): derivative of the predicted probabilities, from that of the filtered ones before.
RNNSTATS_VECTOR_CLONES inline void move_slopes(const Chain &c, const Directions &d, std::int64_t t, const double *past,
                                               const double *from, double *sum, double *to) {
    const int k = c.k, block = c.block, q = d.q;
    const double *P = c.into(t), *dP = d.into(c, t);
    for (int i = 0; i < k * block * q; ++i) to[i] = 0.0;
    for (int r = 0; r < (block == 1 ? k : block); ++r) {
        // the states that differ in nothing a step can see
        const int h = block == 1 ? r : r / (block / k), same = block == 1 ? 1 : k;
        double weight = 0.0;
        for (int e = 0; e < q; ++e) sum[e] = 0.0;
        for (int o = 0; o < same; ++o) {
            weight += past[r * same + o];
            for (int e = 0; e < q; ++e) sum[e] += from[(r * same + o) * q + e];
        }
        for (int j = 0; j < k; ++j) {
            const double p = P[h * k + j], *slope = dP + (h * k + j) * q;
            double *at = to + (block == 1 ? j : j * block + r) * q;
            for (int e = 0; e < q; ++e) at[e] += p * sum[e] + weight * slope[e];
        }
    }
}

RNNSTATS_VECTOR_CLONES inline void score_scaled(const Chain &c, const Directions &d, int s, std::int64_t first,
                                                std::int64_t end, const Kept &kept, double *scores) {
    const int size = c.states(), q = d.q;
    std::vector<double> now(static_cast<std::size_t>(size) * q), next(now.size()), sum(q);
    for (std::int64_t t = first; t < end; ++t) {
        const double *filtered = kept.filtered.data() + (t - first) * size;
        const double *relative = kept.relative.data() + (t - first) * size;
        if (t == first)
            std::memcpy(next.data(), d.start + static_cast<std::int64_t>(s) * size * q, sizeof(double) * size * q);
        else
            move_slopes(c, d, t, filtered - size, now.data(), sum.data(), next.data());
        double *score = scores + t * q;
        for (int e = 0; e < q; ++e) score[e] = 0.0;
        for (int j = 0; j < size; ++j) {
            const double u = relative[j], f = filtered[j];
            const double *slope = d.log_density + (t * size + j) * q;
            double *to = next.data() + j * q;
            for (int e = 0; e < q; ++e) {
                to[e] = u * to[e] + (f > 0.0 ? f * slope[e] : 0.0);
                score[e] += to[e];
            }
        }
        for (int j = 0; j < size; ++j)
            for (int e = 0; e < q; ++e) now[j * q + e] = next[j * q + e] - filtered[j] * score[e];
    }
}

// The same where weights are in logarithms: each state's derivative is relative to e^level, which is the
// state's weight, or, where it cannot be but a direction lets it be, a scale of its own (`here` 0).
inline void score_logs(const Chain &c, const Directions &d, int s, std::int64_t first, std::int64_t end,
                       const Kept &kept, double *scores) {
    const int k = c.k, size = c.states(), q = d.q;
    std::vector<double> slope(static_cast<std::size_t>(size) * q), next(slope.size()), terms(k);
    std::vector<double> level(size), ahead(size), here(size), there(size);
    Logs logs(c);
    for (std::int64_t t = first; t < end; ++t) {
        const double *filtered = kept.filtered.data() + (t - first) * size;
        const double *relative = kept.relative.data() + (t - first) * size;
        if (t == first) {
            const std::int64_t row = static_cast<std::int64_t>(s) * size;
            std::memcpy(next.data(), d.start + row * q, sizeof(double) * size * q);
            for (int j = 0; j < size; ++j) {
                ahead[j] = 0.0;
                there[j] = c.start[row + j];
            }
        } else {
            logs.at(c, t);
            const double *dP = d.into(c, t);
            std::fill(next.begin(), next.end(), 0.0);
            for (int j = 0; j < size; ++j) {
                for (int o = 0; o < k; ++o) {
                    const int i = before(c, j, o), at = element(c, i, j);
                    bool free = false;
                    for (int e = 0; e < q; ++e) free = free || dP[at * q + e] != 0.0;
                    terms[o] = level[i] + (free ? 0.0 : logs.P[at]);
                }
                ahead[j] = log_sum(terms.data(), k);
                there[j] = 0.0;
                if (ahead[j] == NO) continue;
                for (int o = 0; o < k; ++o) {
                    const int i = before(c, j, o), at = element(c, i, j);
                    const double unit = level[i] - ahead[j], stay = std::exp(unit + logs.P[at]);
                    for (int e = 0; e < q; ++e) {
                        double &to = next[j * q + e];
                        to += stay * slope[i * q + e];
                        if (dP[at * q + e] != 0.0) to += std::exp(unit) * here[i] * dP[at * q + e];
                    }
                    there[j] += stay * here[i];
                }
            }
        }
        double *score = scores + t * q;
        for (int e = 0; e < q; ++e) score[e] = 0.0;
        for (int j = 0; j < size; ++j) {
            const bool is = there[j] > 0.0;
            level[j] = is ? filtered[j] : ahead[j] + relative[j];
            here[j] = is && filtered[j] > NO ? 1.0 : 0.0;
            const double weight = bounded_exp(level[j]);
            for (int e = 0; e < q; ++e) {
                double &to = next[j * q + e];
                if (is) to = to / there[j] + d.log_density[(t * size + j) * q + e];
                if (weight > 0.0) score[e] += weight * to;
            }
        }
        for (int j = 0; j < size; ++j)
            for (int e = 0; e < q; ++e) slope[j * q + e] = next[j * q + e] - here[j] * score[e];
    }
}

// Log-likelihood of each row and its derivatives (n, q); -inf in a row that cannot be.
inline void score_obs(const Chain &c, const Directions &d, double *llf_obs, double *scores) {
    Kept kept;
    Output out{};
    out.llf_obs = llf_obs;
    for (int s = 0; s < c.sequences; ++s) {
        const std::int64_t first = c.offsets[s], end = c.offsets[s + 1];
        Sum llf;
        std::int64_t period = -1;
        bool in_logs = false;
        if (run_exact(c, s, first, end, &kept, out, &llf, &period, &in_logs) == Ended::impossible) continue;
        if (in_logs) score_logs(c, d, s, first, end, kept, scores);
        else score_scaled(c, d, s, first, end, kept, scores);
    }
}

} // namespace markov
} // namespace rnnstats
