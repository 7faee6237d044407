// Hidden Markov chains: what the recursions read and write, and when which of them is exact.
// The equations are in rnnstats/kernels/reference/markov.py, which computes in logarithms throughout.
//
// Four recursions give the same numbers.
//   stretches  2 to 8 states, one positive transition matrix, long sequences that forget (markov_stretches.hpp)
//   lanes      2 to 4 states, one positive transition matrix, long sequences (markov_lanes.hpp)
//   scaled     one chain, row after row, probabilities relative to the row's sum (markov_scaled.hpp)
//   logs       the same in logarithms (markov_exact.hpp)
//
// When scaling is exact. A weight below e^-708 of its row's largest is stored as zero, an error of
// at most 3e-308 of the row's sum. A state lost like this at row t matters later only through the
// states it leads to. So if, at row t + 1, each state that can be reached has a predicted
// probability far above that error, every predicted probability has a relative error far below
// rounding; and relative errors of positive terms are not enlarged by the recursion. What the
// backward pass loses is weighted by the filtered probability, and sum_j filtered_j error_j is
// carried unchanged from row to row, so it stays as small as it came.
// The test is therefore on predicted probabilities:
//   transitions all above SURE: each is at least SURE times the row's sum, nothing to test but the sum;
//   otherwise every reachable state's must be above FLOOR, with FLOOR^2 far above 1e-308. Left-to-right
//   chains and absorbing states fail it sooner or later, and are then run in logarithms.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "simd.hpp"

namespace rnnstats {
namespace markov {

using simd::Ints;
using simd::LANES;
using simd::Vec;

constexpr double SURE = 1e-50;    // of transitions: as positive as it takes
constexpr double FLOOR = 1e-140;  // of predicted probabilities, where some transitions are not
constexpr double TINY = 1e-100;   // of the sum of a block of rows
constexpr double LARGEST = 690.0; // e^LARGEST bounds derivatives by what cannot be
constexpr double HUGE_SLOPE = 1e299;
constexpr double NO = -std::numeric_limits<double>::infinity();
constexpr double NaN = std::numeric_limits<double>::quiet_NaN();

// Log densities (n, S), transition (k, k) or (n, k, k) into each row, start (sequences, S). A state is
// (h_t, ..., h_{t-p}), h_t the most significant digit; block = k^p, S = k block.
struct Chain {
    int k;
    int block;
    int sequences;
    bool varies;
    const double *log_density;
    const double *transition;
    const double *start;
    const std::int64_t *offsets; // sequences + 1

    int states() const { return k * block; }
    const double *into(std::int64_t t) const { return transition + (varies ? t * k * k : 0); }
    const double *density(std::int64_t t) const { return log_density + t * states(); }
    // One dense matrix whose elements are all SURE.
    bool positive() const {
        if (varies || block > 1) return false;
        for (int i = 0; i < k * k; ++i)
            if (!(transition[i] > SURE)) return false;
        return true;
    }
};

// Where results go; null pointers are skipped. `d_transition` is summed over rows unless transitions
// vary; `joint` (n, k, k) is the probability of each step given all rows.
struct Output {
    double *llf_obs;
    double *predicted;
    double *filtered;
    double *log_filtered;
    double *smoothed;
    double *d_transition;
    double *d_start;
    double *joint;
    bool *logs; // whether some sequence was run in logarithms
};

// Bytes of packed rows as vectors: 8 i in the byte of state j. From memory, which compilers broadcast well.
struct Codes {
    alignas(64) double x[8][8][LANES];
    Codes() {
        for (int i = 0; i < 8; ++i)
            for (int j = 0; j < 8; ++j)
                for (int lane = 0; lane < LANES; ++lane) {
                    const std::int64_t code = static_cast<std::int64_t>(8 * i) << (8 * j);
                    std::memcpy(&x[i][j][lane], &code, sizeof code);
                }
    }
};
inline const Codes codes;

// A sum that carries what rounding left out (Neumaier 1974).
struct Sum {
    double total = 0.0, rest = 0.0;
    void add(double x) {
        const double sum = total + x;
        rest += std::fabs(total) >= std::fabs(x) ? (total - sum) + x : (x - sum) + total;
        total = sum;
    }
    double value() const { return total + rest; }
};

enum class Ended { well, impossible, lost };

// Rows from an impossible one on.
inline void blank(const Output &out, int states, std::int64_t t, std::int64_t end) {
    if (out.llf_obs) {
        out.llf_obs[t] = NO;
        for (std::int64_t i = t + 1; i < end; ++i) out.llf_obs[i] = 0.0;
    }
    for (std::int64_t i = t * states; i < end * states; ++i) {
        if (out.filtered) out.filtered[i] = NaN;
        if (out.log_filtered) out.log_filtered[i] = NaN;
        if (out.predicted && i >= (t + 1) * states) out.predicted[i] = NaN;
    }
}

} // namespace markov
} // namespace rnnstats
