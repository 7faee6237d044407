// Two to four states, one positive transition matrix, long sequences: eight stretches of time at once.
//
// A span of SPAN rows is cut into LANES segments of ROWS rows, one a lane of the vectors. A segment is a
// linear map of the forward vector (diag and matrix products of its rows), so the maps of all segments
// come first, for all lanes at once; the vectors at the cuts follow from them; and with these each
// segment's forward and backward recursions are run, again for all lanes at once. That is K^3 + 2 K^2
// multiplications a row instead of 2 K^2, but none waits for the row before. Maxima and sums of
// logarithms in the place of sums and products give the most likely path.
//
// Inside a segment nothing is scaled: forward and backward vectors a and b of one segment have
// sum_j a_tj b_tj the same in every row, so the smoothed probabilities need one division a segment.
// A segment whose densities bring a row of its map below TINY is left to the other recursions.
#pragma once

#include "markov_chain.hpp"

namespace rnnstats {
namespace markov {

constexpr int ROWS = 32;
constexpr int SPAN = LANES * ROWS;

// R rows of each segment as (R, K) vectors over segments, and back; `stride` numbers from segment to segment.
template <int K, int R>
RNNSTATS_INLINE void load_lanes(const double *from, std::int64_t stride, Vec *x) {
    for (int c = 0; c < R * K; c += LANES) {
        for (int lane = 0; lane < LANES; ++lane) x[c + lane] = simd::load(from + lane * stride + c);
        simd::transpose(x + c);
    }
}
template <int K, int R>
RNNSTATS_INLINE void store_lanes(Vec *x, std::int64_t stride, double *to) {
    for (int c = 0; c < R * K; c += LANES) {
        simd::transpose(x + c);
        for (int lane = 0; lane < LANES; ++lane) simd::store(to + lane * stride + c, x[c + lane]);
    }
}
template <int K>
RNNSTATS_INLINE void load_span(const double *from, Vec *x) {
    load_lanes<K, ROWS>(from, ROWS * K, x);
}
template <int K>
RNNSTATS_INLINE void store_span(Vec *x, double *to) {
    store_lanes<K, ROWS>(x, ROWS * K, to);
}

// Densities relative to each row's largest; m: the largest (R vectors). Returns the sum of m.
template <int K, int R>
RNNSTATS_INLINE Vec lane_densities(const double *l, std::int64_t stride, Vec *b, Vec *m) {
    load_lanes<K, R>(l, stride, b);
    Vec sum = simd::splat(0.0);
    for (int r = 0; r < R; ++r) {
        Vec top = b[r * K];
        RNNSTATS_UNROLL
        for (int j = 1; j < K; ++j) top = simd::maximum(top, b[r * K + j]);
        if (m) m[r] = top;
        sum += top;
        RNNSTATS_UNROLL
        for (int j = 0; j < K; ++j) b[r * K + j] = simd::exp_negative(b[r * K + j] - top);
    }
    return sum;
}
template <int K>
RNNSTATS_INLINE Vec span_densities(const double *l, Vec *b, Vec *m) {
    return lane_densities<K, ROWS>(l, ROWS * K, b, m);
}

// to_j = sum_i from_i P_ij, of all lanes.
template <int K>
RNNSTATS_INLINE void lane_step(const double *P, const Vec *from, Vec *to) {
    RNNSTATS_UNROLL
    for (int j = 0; j < K; ++j) {
        to[j] = from[0] * P[j];
        RNNSTATS_UNROLL
        for (int i = 1; i < K; ++i) to[j] += from[i] * P[i * K + j];
    }
}

// Maps of the segments: element (i, j) of each, given densities.
template <int K>
RNNSTATS_INLINE void lane_maps(const double *P, const Vec *b, Vec *map) {
    RNNSTATS_UNROLL
    for (int i = 0; i < K; ++i)
        RNNSTATS_UNROLL
        for (int j = 0; j < K; ++j) map[i * K + j] = b[j] * P[i * K + j];
    for (int r = 1; r < ROWS; ++r)
        RNNSTATS_UNROLL
        for (int i = 0; i < K; ++i) {
            Vec next[K];
            lane_step<K>(P, map + i * K, next);
            RNNSTATS_UNROLL
            for (int j = 0; j < K; ++j) map[i * K + j] = next[j] * b[r * K + j];
        }
}

// Through the maps of a span: filtered probabilities a (K) of the row before, then of the last row, and
// those before each segment into starts (K vectors), where wanted. False: not to be trusted.
template <int K>
RNNSTATS_INLINE bool through_maps(const Vec *map, Vec mass, double *a, Vec *starts, Sum *llf) {
    double scales = 1.0;
    for (int lane = 0; lane < LANES; ++lane) {
        double next[K];
        RNNSTATS_UNROLL
        for (int j = 0; j < K; ++j) next[j] = 0.0;
        RNNSTATS_UNROLL
        for (int i = 0; i < K; ++i) {
            double row = 0.0;
            if (starts) starts[i][lane] = a[i];
            RNNSTATS_UNROLL
            for (int j = 0; j < K; ++j) {
                const double x = map[i * K + j][lane];
                row += x;
                next[j] += a[i] * x;
            }
            if (!(row > TINY)) return false;
        }
        double scale = 0.0;
        RNNSTATS_UNROLL
        for (int j = 0; j < K; ++j) scale += next[j];
        const double by = 1.0 / scale;
        RNNSTATS_UNROLL
        for (int j = 0; j < K; ++j) a[j] = next[j] * by;
        scales *= scale;
        if (lane % 2) { // the product of two is above TINY^2
            llf->add(std::log(scales));
            scales = 1.0;
        }
    }
    const double sum = simd::sum_of(mass);
    llf->add(sum);
    return sum > NO;
}

// Log-likelihood of a span.
template <int K>
RNNSTATS_VECTOR_CLONES bool span_loglike(const double *l, const double *P, double *a, Sum *llf) {
    alignas(64) Vec b[ROWS * K], map[K * K];
    const Vec mass = span_densities<K>(l, b, nullptr);
    lane_maps<K>(P, b, map);
    return through_maps<K>(map, mass, a, static_cast<Vec *>(nullptr), llf);
}

// First half of the forward-backward pass: maps (K K vectors) and starts (K vectors) into `store`.
template <int K>
RNNSTATS_VECTOR_CLONES bool span_maps(const double *l, const double *P, double *a, double *store, Sum *llf) {
    alignas(64) Vec b[ROWS * K], map[K * K], starts[K];
    const Vec mass = span_densities<K>(l, b, nullptr);
    lane_maps<K>(P, b, map);
    if (!through_maps<K>(map, mass, a, starts, llf)) return false;
    for (int i = 0; i < K * K; ++i) simd::store(store + i * LANES, map[i]);
    for (int i = 0; i < K; ++i) simd::store(store + (K * K + i) * LANES, starts[i]);
    return true;
}

// Second half: smoothed probabilities, and sums (K K vectors) of filtered_i b_j beta_j. beta (K): of the
// span's last row, then of the row before its first, up to a factor.
template <int K>
RNNSTATS_VECTOR_CLONES void span_smooth(const double *l, const double *P, const double *store, double *beta,
                                        double *sums, double *smoothed) {
    alignas(64) Vec b[ROWS * K], a[ROWS * K], ends[K], count[K * K], starts[K];
    for (int lane = LANES - 1; lane >= 0; --lane) {
        double next[K], top = 0.0;
        RNNSTATS_UNROLL
        for (int i = 0; i < K; ++i) {
            ends[i][lane] = beta[i];
            next[i] = 0.0;
            RNNSTATS_UNROLL
            for (int j = 0; j < K; ++j) next[i] += store[(i * K + j) * LANES + lane] * beta[j];
            top = next[i] > top ? next[i] : top;
        }
        RNNSTATS_UNROLL
        for (int i = 0; i < K; ++i) beta[i] = next[i] / top;
    }
    span_densities<K>(l, b, nullptr);
    for (int i = 0; i < K; ++i) starts[i] = simd::load(store + (K * K + i) * LANES);
    for (int r = 0; r < ROWS; ++r) {
        Vec next[K];
        lane_step<K>(P, r ? a + (r - 1) * K : starts, next);
        RNNSTATS_UNROLL
        for (int j = 0; j < K; ++j) a[r * K + j] = next[j] * b[r * K + j];
    }
    Vec whole = a[(ROWS - 1) * K] * ends[0];
    RNNSTATS_UNROLL
    for (int j = 1; j < K; ++j) whole += a[(ROWS - 1) * K + j] * ends[j];
    const Vec by = 1.0 / whole;
    RNNSTATS_UNROLL
    for (int j = 0; j < K; ++j) ends[j] *= by;
    for (int i = 0; i < K * K; ++i) count[i] = simd::load(sums + i * LANES);
    for (int r = ROWS - 1; r >= 0; --r) {
        Vec weight[K];
        RNNSTATS_UNROLL
        for (int j = 0; j < K; ++j) {
            a[r * K + j] *= ends[j];
            weight[j] = b[r * K + j] * ends[j];
        }
        const Vec *past = r ? a + (r - 1) * K : starts;
        RNNSTATS_UNROLL
        for (int i = 0; i < K; ++i) {
            Vec sum = weight[0] * P[i * K];
            RNNSTATS_UNROLL
            for (int j = 1; j < K; ++j) sum += weight[j] * P[i * K + j];
            RNNSTATS_UNROLL
            for (int j = 0; j < K; ++j) count[i * K + j] += past[i] * weight[j];
            ends[i] = sum;
        }
    }
    for (int i = 0; i < K * K; ++i) simd::store(sums + i * LANES, count[i]);
    store_span<K>(a, smoothed);
}

// Forward pass with its rows. Output pointers are those of the span's first row; null ones are skipped.
template <int K>
RNNSTATS_VECTOR_CLONES bool span_filter(const double *l, const double *P, double *a, double *llf_obs,
                                        double *predicted, double *filtered, Sum *llf) {
    alignas(64) Vec b[ROWS * K], f[ROWS * K], m[ROWS], map[K * K], now[K];
    const Vec mass = span_densities<K>(l, b, m);
    lane_maps<K>(P, b, map);
    if (!through_maps<K>(map, mass, a, now, llf)) return false;
    Vec by = simd::splat(1.0);
    alignas(64) double ratio[SPAN];
    for (int r = 0; r < ROWS; ++r) {
        Vec next[K];
        lane_step<K>(P, now, next);
        RNNSTATS_UNROLL
        for (int j = 0; j < K; ++j) now[j] = next[j] * b[r * K + j];
        Vec sum = now[0];
        RNNSTATS_UNROLL
        for (int j = 1; j < K; ++j) sum += now[j];
        simd::store(ratio + r * LANES, sum * by);
        RNNSTATS_UNROLL
        for (int j = 0; j < K; ++j) b[r * K + j] = next[j] * by; // the density is used up
        by = 1.0 / sum;
        RNNSTATS_UNROLL
        for (int j = 0; j < K; ++j) f[r * K + j] = now[j] * by;
    }
    for (int i = 0; i < SPAN; ++i) ratio[i] = simd::log_normal(ratio[i]);
    for (int r = 0; r < ROWS; ++r) m[r] += simd::load(ratio + r * LANES);
    if (llf_obs) store_span<1>(m, llf_obs);
    if (predicted) store_span<K>(b, predicted);
    if (filtered) store_span<K>(f, filtered);
    return true;
}

// Most likely path, forward: where the best path into each state came from, a byte a state, into `path`
// (see `packed_rows`). heights (K): those of the row before, relative to `offset`, then of the last row.
// False, and nothing written: there is no path.
template <int K>
RNNSTATS_VECTOR_CLONES bool span_pack(const double *l, const double *logs, double *heights, Sum *offset,
                                      std::int64_t *path) {
    alignas(64) Vec x[ROWS * K], map[K * K], now[K], words[ROWS];
    load_span<K>(l, x);
    RNNSTATS_UNROLL
    for (int i = 0; i < K; ++i)
        RNNSTATS_UNROLL
        for (int j = 0; j < K; ++j) map[i * K + j] = x[j] + logs[i * K + j];
    for (int r = 1; r < ROWS; ++r)
        RNNSTATS_UNROLL
        for (int i = 0; i < K; ++i) {
            Vec next[K];
            RNNSTATS_UNROLL
            for (int j = 0; j < K; ++j) {
                Vec best = map[i * K] + logs[j];
                RNNSTATS_UNROLL
                for (int o = 1; o < K; ++o) best = simd::maximum(best, map[i * K + o] + logs[o * K + j]);
                next[j] = best + x[r * K + j];
            }
            RNNSTATS_UNROLL
            for (int j = 0; j < K; ++j) map[i * K + j] = next[j];
        }
    for (int lane = 0; lane < LANES; ++lane) {
        double next[K], top = NO;
        RNNSTATS_UNROLL
        for (int j = 0; j < K; ++j) {
            now[j][lane] = heights[j];
            next[j] = NO;
            RNNSTATS_UNROLL
            for (int i = 0; i < K; ++i) {
                const double way = heights[i] + map[i * K + j][lane];
                next[j] = way > next[j] ? way : next[j];
            }
            top = next[j] > top ? next[j] : top;
        }
        if (!(top > NO)) return false;
        RNNSTATS_UNROLL
        for (int j = 0; j < K; ++j) heights[j] = next[j] - top;
        offset->add(top);
    }
    for (int r = 0; r < ROWS; ++r) {
        Vec next[K];
        Ints word = simd::splat_ints(0);
        RNNSTATS_UNROLL
        for (int j = 0; j < K; ++j) {
            Vec best = now[0] + logs[j];
            Ints from = simd::bits_of(simd::load(codes.x[0][0]));
            RNNSTATS_UNROLL
            for (int i = 1; i < K; ++i) {
                const Vec way = now[i] + logs[i * K + j];
                from = simd::choose(simd::above(way, best), simd::bits_of(simd::load(codes.x[i][j])), from);
                best = simd::maximum(way, best);
            }
            word = word | from;
            next[j] = best + x[r * K + j];
        }
        words[r] = simd::of_bits(word);
        RNNSTATS_UNROLL
        for (int j = 0; j < K; ++j) now[j] = next[j];
    }
    store_span<1>(words, reinterpret_cast<double *>(path));
    return true;
}

// The way back through a span, from `state`. Returns the state in the row before it.
template <int K>
RNNSTATS_VECTOR_CLONES int span_unpack(int state, std::int64_t *path) {
    alignas(64) Vec words[ROWS];
    Ints map[K], at = simd::splat_ints(0);
    const Ints byte = simd::splat_ints(0x38);
    load_span<1>(reinterpret_cast<const double *>(path), words);
    RNNSTATS_UNROLL
    for (int j = 0; j < K; ++j) map[j] = simd::splat_ints(8 * j);
    for (int r = ROWS - 1; r >= 0; --r)
        RNNSTATS_UNROLL
        for (int j = 0; j < K; ++j) map[j] = simd::right(simd::bits_of(words[r]), map[j]) & byte;
    for (int lane = LANES - 1; lane >= 0; --lane) {
        at[lane] = 8 * state;
        state = static_cast<int>(map[state][lane] / 8);
    }
    for (int r = ROWS - 1; r >= 0; --r) {
        const Ints word = simd::bits_of(words[r]);
        words[r] = simd::of_bits(simd::right(at, 3));
        at = simd::right(word, at) & byte;
    }
    store_span<1>(words, reinterpret_cast<double *>(path));
    return state;
}

} // namespace markov
} // namespace rnnstats
