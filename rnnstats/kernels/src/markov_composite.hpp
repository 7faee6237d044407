// Chains of composite states (h_t, ..., h_{t-p}) with one positive transition matrix, forward and backward
// at once, row by row in whole vectors. The equations are in rnnstats/kernels/reference/markov.py.
#pragma once

#include "markov.hpp"

namespace rnnstats {
namespace markov {

RNNSTATS_INLINE double lowest(const double *x, int n) {
    double least = x[0];
    int i = 0;
    if (n >= LANES) {
        Vec best = simd::load(x);
        for (i = LANES; i + LANES <= n; i += LANES) best = simd::minimum(best, simd::load(x + i));
        for (int lane = 0; lane < LANES; ++lane) least = best[lane] < least ? best[lane] : least;
    }
    for (; i < n; ++i) least = x[i] < least ? x[i] : least;
    return least;
}
RNNSTATS_INLINE double largest(const double *x, int n) {
    double top = x[0];
    int i = 0;
    if (n >= LANES) {
        Vec best = simd::load(x);
        for (i = LANES; i + LANES <= n; i += LANES) best = simd::maximum(best, simd::load(x + i));
        for (int lane = 0; lane < LANES; ++lane) top = best[lane] > top ? best[lane] : top;
    }
    for (; i < n; ++i) top = x[i] > top ? x[i] : top;
    return top;
}

// Forward-backward pass of a chain of composite states with one positive transition matrix; rows of the
// densities are replaced by exp(l - max). `kept` is scratch. False, and nothing of use, where the scaled
// recursion may not be exact (markov_chain.hpp): `run_smooth` then decides.
template <class K, class B>
RNNSTATS_VECTOR_CLONES bool smooth_composite(K k, B block, const Chain &c, double *density, std::vector<double> *kept,
                                             double *smoothed, double *d_transition, double *d_first, double *llf) {
    const int size = k * block, part = block / k;
    const std::int64_t n = c.offsets[c.sequences];
    for (int i = 0; i < k * k; ++i)
        if (!(c.transition[i] > SURE)) return false;
    kept->resize(n * (block + 1) + 2 * size + 4 * block + LANES);
    double *pairs = kept->data(), *tops = pairs + n * block, *into = tops + n, *weight = into + size;
    double *beta = weight + size, *sums = beta + block;
    for (int j = 0; j < k; ++j)
        for (int m = 0; m < block; ++m) into[j * block + m] = c.transition[(m / part) * k + j];
    for (std::int64_t t = 0; t < n; ++t) {
        double *l = density + t * size;
        const double top = largest(l, size);
        if (!(top > NO && top < -NO)) return false;
        for (int s = 0; s < size; ++s) l[s] -= top;
        tops[t] = top;
    }
    std::int64_t i = 0;
    for (; i + LANES <= n * size; i += LANES) simd::store(density + i, simd::exp_negative(simd::load(density + i)));
    for (; i < n * size; ++i) density[i] = std::exp(density[i]);
    Sum total;
    double product = 1.0;
    for (int i = 0; i < k * k; ++i) d_transition[i] = 0.0;
    for (int q = 0; q < c.sequences; ++q) {
        const std::int64_t first = c.offsets[q], end = c.offsets[q + 1];
        for (std::int64_t t = first; t < end; ++t) {
            double *now = smoothed + t * size, *past = pairs + t * block;
            const double *b = density + t * size;
            if (t == first) {
                for (int s = 0; s < size; ++s) now[s] = c.start[q * size + s];
            } else {
                for (int j = 0; j < k; ++j)
                    for (int m = 0; m < block; ++m) now[j * block + m] = (past - block)[m] * into[j * block + m];
            }
            if (!(lowest(now, size) > FLOOR)) return false;
            double sum = 0.0;
            for (int s = 0; s < size; ++s) now[s] *= b[s];
            RNNSTATS_SIMD_SUM(sum)
            for (int s = 0; s < size; ++s) sum += now[s];
            const double by = 1.0 / sum;
            for (int s = 0; s < size; ++s) now[s] *= by;
            for (int m = 0; m < block; ++m) {
                double one = now[m * k];
                for (int o = 1; o < k; ++o) one += now[m * k + o];
                past[m] = one;
            }
            total.add(tops[t]);
            product *= sum; // each is at least FLOOR
            if (product < TINY) {
                total.add(std::log(product));
                product = 1.0;
            }
            tops[t] = by;
        }
        for (int m = 0; m < block; ++m) beta[m] = 1.0;
        for (std::int64_t t = end - 1; t >= first; --t) {
            double *now = smoothed + t * size;
            const double *b = density + t * size, by = tops[t];
            for (int m = 0; m < block; ++m)
                for (int o = 0; o < k; ++o) {
                    const double w = b[m * k + o] * by * beta[m];
                    now[m * k + o] *= beta[m];
                    weight[m * k + o] = w < HUGE_SLOPE ? w : HUGE_SLOPE;
                }
            if (t == first) {
                for (int s = 0; s < size; ++s) d_first[q * size + s] = weight[s];
                break;
            }
            const double *past = pairs + (t - 1) * block;
            for (int j = 0; j < k; ++j)
                for (int h = 0; h < k; ++h) {
                    const double *from = past + h * part, *to = weight + j * block + h * part;
                    double sum = 0.0;
                    RNNSTATS_SIMD_SUM(sum)
                    for (int m = 0; m < part; ++m) sum += from[m] * to[m];
                    d_transition[h * k + j] += sum;
                }
            for (int m = 0; m < block; ++m) sums[m] = weight[m] * into[m];
            for (int j = 1; j < k; ++j)
                for (int m = 0; m < block; ++m) sums[m] += weight[j * block + m] * into[j * block + m];
            for (int m = 0; m < block; ++m) beta[m] = sums[m];
        }
    }
    total.add(std::log(product));
    *llf = total.value();
    return std::isfinite(*llf);
}

} // namespace markov
} // namespace rnnstats
