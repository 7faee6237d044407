// Two to eight states, one positive transition matrix, long sequences that forget: eight stretches of time
// at once, each a lane of the vectors.
//
// Products of positive matrices forget what is on their left or right: their rows become proportional, and
// faster where the data speak. The product of the last rows of each stretch is formed, row after row to
// the left, until its rows are proportional to rounding; any of them is then the filtered distribution
// where the next stretch begins, whatever came before. Likewise to the right from each stretch's first row
// for the backward vector. With these each stretch is run by itself, K^2 multiplications a row, none of
// which waits for another stretch. An error of direction by the factor 1 + SAME stays one, and adds SAME to
// the log-likelihood: a recursion of positive terms does not enlarge relative errors. Maxima and sums of
// logarithms in the place of sums and products give the most likely path.
//
// A sequence that does not forget within a part of its stretches is left to the other recursions, and so
// are more than four states where eight doubles are not one register.
#pragma once

#include "markov_lanes.hpp"

namespace rnnstats {
namespace markov {

constexpr int BAND = 8;                          // rows between divisions
constexpr int PART = 8;                          // of a stretch, within which it must forget
constexpr double SAME = 1e-14;                   // of proportional rows
constexpr double SOMEWHAT = 1e-2, NEARLY = 1e-6; // what they must have reached after a quarter and half of it
constexpr double NOTHING = 1e-290;               // of a map: below what matters (see markov_chain.hpp)

// Rows [first, end) of a sequence: the first by itself, stretches of `rows` rows, and a tail.
struct Stretches {
    std::int64_t rows, tail;
    Stretches(const Chain &c, std::int64_t first, std::int64_t end) : rows((end - first - 1) / LANES / BAND * BAND) {
        const bool many = c.k > 4;
        if (c.k < 2 || c.k > 8 || rows < (many ? 128 : 64) || (many && !simd::one_register())) rows = 0;
        tail = first + 1 + rows * LANES;
    }
};

inline std::int64_t within(std::int64_t rows, int part) { return rows / part > 32 ? rows / part : 32; }

RNNSTATS_INLINE bool every(Ints x) {
    std::int64_t all = -1;
    for (int lane = 0; lane < LANES; ++lane) all &= x[lane];
    return all != 0;
}

// Sums that carry what rounding left out (Knuth 1969).
struct LaneSum {
    Vec total = simd::splat(0.0), rest = simd::splat(0.0);
    RNNSTATS_INLINE void add(Vec x) {
        const Vec sum = total + x, part = sum - total;
        rest += (total - (sum - part)) + (x - part);
        total = sum;
    }
    RNNSTATS_INLINE void into(Sum *sum) const {
        for (int lane = 0; lane < LANES; ++lane) {
            sum->add(total[lane]);
            sum->add(rest[lane]);
        }
    }
};

// Products of normal positive numbers, exponents apart.
struct LaneProduct {
    Vec mantissa = simd::splat(1.0);
    Ints exponent = simd::splat_ints(0);
    RNNSTATS_INLINE void times(Vec x) {
        const Ints bits = simd::bits_of(mantissa * x);
        exponent = exponent + simd::right(bits, 52) + simd::splat_ints(-1023);
        const Ints fraction = bits & simd::splat_ints(0x000FFFFFFFFFFFFFll);
        mantissa = simd::of_bits(fraction | simd::splat_ints(0x3FF0000000000000ll));
    }
    RNNSTATS_INLINE void into(Sum *sum) const {
        for (int lane = 0; lane < LANES; ++lane)
            sum->add(static_cast<double>(exponent[lane]) * 0.69314718055994530942 + std::log(mantissa[lane]));
    }
};

// A band's (BAND, K) vectors in the memory of its rows, as they are.
template <int K>
RNNSTATS_INLINE double *place(double *to, std::int64_t stride, int vector) {
    return to + vector % LANES * stride + vector / LANES * LANES;
}

// to_i = sum_j P_ij from_j, of all lanes.
template <int K>
RNNSTATS_INLINE void lane_step_back(const double *P, const Vec *from, Vec *to) {
    RNNSTATS_UNROLL
    for (int i = 0; i < K; ++i) {
        to[i] = from[0] * P[i * K];
        RNNSTATS_UNROLL
        for (int j = 1; j < K; ++j) to[i] += from[j] * P[i * K + j];
    }
}

// Whether the rows of each map, whose sums are given and add to one, are proportional: to their sum.
template <int K>
RNNSTATS_INLINE bool proportional(const Vec *map, const Vec *sums, double tolerance) {
    Ints yes = simd::splat_ints(-1);
    for (int j = 0; j < K; ++j) {
        Vec column = map[j];
        for (int i = 1; i < K; ++i) column += map[i * K + j];
        for (int i = 0; i < K; ++i) {
            const Vec expected = column * sums[i], gap = map[i * K + j] - expected;
            yes = yes & simd::above(expected * tolerance + NOTHING, simd::maximum(gap, simd::splat(0.0) - gap));
        }
    }
    return every(yes);
}

// K vectors that do not depend, up to a factor, on what is outside of each stretch: backward vectors of the
// row before its first, given P, or (past) filtered probabilities of its last row, given the transpose.
// False: not forgotten.
template <int K>
RNNSTATS_VECTOR_CLONES bool forget(bool past, const double *l, std::int64_t rows, const double *P, double *out) {
    alignas(64) Vec b[BAND * K], map[K * K]; // map: of the past, the transpose of the product
    Vec sums[K], now[K], next[K];
    const std::int64_t limit = within(rows, PART);
    for (int i = 0; i < K * K; ++i) map[i] = simd::splat(i % (K + 1) ? 0.0 : 1.0);
    for (std::int64_t done = BAND; done <= limit; done += BAND) {
        lane_densities<K, BAND>(l + (past ? rows - done : done - BAND) * K, rows * K, b, nullptr);
        for (int r = 0; r < BAND; ++r)
            for (int i = 0; i < K; ++i) {
                const Vec *row = b + (past ? BAND - 1 - r : r) * K, one = simd::splat(1.0);
                RNNSTATS_UNROLL
                for (int j = 0; j < K; ++j) now[j] = map[i * K + j] * (past ? row[j] : one);
                lane_step<K>(P, now, next);
                RNNSTATS_UNROLL
                for (int j = 0; j < K; ++j) map[i * K + j] = next[j] * (past ? one : row[j]);
            }
        Vec total = simd::splat(0.0);
        Ints good = simd::splat_ints(-1);
        for (int i = 0; i < K; ++i) {
            sums[i] = map[i * K];
            for (int j = 1; j < K; ++j) sums[i] += map[i * K + j];
            total += sums[i];
        }
        const Vec by = 1.0 / total;
        for (int i = 0; i < K; ++i) {
            sums[i] *= by;
            good = good & (past ? good : simd::above(sums[i], simd::splat(TINY)));
            for (int j = 0; j < K; ++j) map[i * K + j] *= by;
        }
        if (!every(good & simd::above(total, simd::splat(TINY)))) return false;
        if (proportional<K>(map, sums, SAME)) {
            for (int j = 0; j < K; ++j) simd::store(out + j * LANES, sums[j]);
            return true;
        }
        if (4 * done >= limit && !proportional<K>(map, sums, 2 * done >= limit ? NEARLY : SOMEWHAT)) return false;
    }
    return false;
}

// Log-likelihood of the stretches. `carried` (K vectors): filtered probabilities of the row before each,
// then of its last row. Where wanted, for the way back: forward vectors, within their bands, into `kept`
// and what these are multiplied by at each band's end into `scales` (rows).
template <int K>
RNNSTATS_VECTOR_CLONES bool stretch_forward(const double *l, std::int64_t rows, const double *P, double *carried,
                                            double *kept, double *scales, Sum *llf) {
    alignas(64) Vec b[BAND * K];
    Vec a[K], next[K];
    LaneSum mass;
    LaneProduct scale;
    Ints good = simd::splat_ints(-1);
    for (int j = 0; j < K; ++j) a[j] = simd::load(carried + j * LANES);
    for (std::int64_t t = 0; t < rows; t += BAND) {
        mass.add(lane_densities<K, BAND>(l + t * K, rows * K, b, nullptr));
        for (int r = 0; r < BAND; ++r) {
            lane_step<K>(P, a, next);
            RNNSTATS_UNROLL
            for (int j = 0; j < K; ++j) b[r * K + j] = a[j] = next[j] * b[r * K + j];
        }
        Vec sum = a[0];
        RNNSTATS_UNROLL
        for (int j = 1; j < K; ++j) sum += a[j];
        good = good & simd::above(sum, simd::splat(TINY));
        scale.times(sum);
        const Vec by = 1.0 / sum;
        RNNSTATS_UNROLL
        for (int j = 0; j < K; ++j) a[j] *= by;
        if (kept) {
            simd::store(scales + t, by);
            for (int i = 0; i < BAND * K; ++i) simd::store(place<K>(kept + t * K, rows * K, i), b[i]);
        }
    }
    for (int j = 0; j < K; ++j) simd::store(carried + j * LANES, a[j]);
    if (!every(good) || !(simd::sum_of(mass.total) > NO)) return false;
    mass.into(llf);
    scale.into(llf);
    return true;
}

// The way back: smoothed probabilities in the place of what was kept, and sums (K K vectors) of
// filtered_i b_j beta_j. before, last (K vectors): filtered probabilities of the row before each stretch
// and of its last row; beta (K vectors): of its last row, up to factors, then of the row before it.
template <int K>
RNNSTATS_VECTOR_CLONES void stretch_backward(const double *l, std::int64_t rows, const double *P, const double *before,
                                             const double *last, const double *scales, double *beta, double *sums,
                                             double *smoothed) {
    alignas(64) Vec a[(BAND + 1) * K], b[BAND * K], s[BAND * K], count[K * K];
    Vec now[K], next[K];
    const std::int64_t stride = rows * K;
    Vec whole = simd::splat(0.0);
    for (int j = 0; j < K; ++j) whole += simd::load(last + j * LANES) * simd::load(beta + j * LANES);
    for (int j = 0; j < K; ++j) now[j] = simd::load(beta + j * LANES) / whole;
    for (int i = 0; i < K * K; ++i) count[i] = simd::load(sums + i * LANES);
    for (std::int64_t t = rows - BAND; t >= 0; t -= BAND) {
        lane_densities<K, BAND>(l + t * K, stride, b, nullptr);
        const Vec by = simd::load(scales + t);
        if (t > 0)
            for (int j = 0; j < K; ++j)
                a[j] = simd::load(place<K>(smoothed + (t - BAND) * K, stride, (BAND - 1) * K + j)) *
                       simd::load(scales + t - BAND);
        else
            for (int j = 0; j < K; ++j) a[j] = simd::load(before + j * LANES);
        for (int i = 0; i < BAND * K; ++i) a[K + i] = simd::load(place<K>(smoothed + t * K, stride, i));
        RNNSTATS_UNROLL
        for (int j = 0; j < K; ++j) now[j] *= by;
        for (int r = BAND - 1; r >= 0; --r) {
            RNNSTATS_UNROLL
            for (int j = 0; j < K; ++j) {
                s[r * K + j] = a[(r + 1) * K + j] * now[j];
                b[r * K + j] = next[j] = b[r * K + j] * now[j];
            }
            lane_step_back<K>(P, next, now);
        }
        for (int i = 0; i < K; ++i) {
            Vec past[BAND];
            RNNSTATS_UNROLL
            for (int r = 0; r < BAND; ++r) past[r] = a[r * K + i];
            for (int j = 0; j < K; ++j) {
                Vec sum = count[i * K + j];
                RNNSTATS_UNROLL
                for (int r = 0; r < BAND; ++r) sum += past[r] * b[r * K + j];
                count[i * K + j] = sum;
            }
        }
        store_lanes<K, BAND>(s, stride, smoothed + t * K);
    }
    for (int j = 0; j < K; ++j) simd::store(beta + j * LANES, now[j]);
    for (int i = 0; i < K * K; ++i) simd::store(sums + i * LANES, count[i]);
}

// Heights of the best paths into each state in the last row of each stretch (K vectors), relative to their
// largest, whatever was before it. False: not forgotten, or states that cannot be.
template <int K>
RNNSTATS_VECTOR_CLONES bool forget_heights(const double *l, std::int64_t rows, const double *logs, double *out) {
    alignas(64) Vec x[BAND * K], map[K * K];
    Vec now[K];
    for (int i = 0; i < K * K; ++i) map[i] = simd::splat(i % (K + 1) ? NO : 0.0);
    const std::int64_t limit = within(rows, 4 * K); // nothing tells before whether it will
    for (std::int64_t done = BAND; done <= limit; done += BAND) {
        load_lanes<K, BAND>(l + (rows - done) * K, rows * K, x);
        for (int r = BAND - 1; r >= 0; --r) {
            Vec top = x[r * K];
            RNNSTATS_UNROLL
            for (int j = 1; j < K; ++j) top = simd::maximum(top, x[r * K + j]);
            for (int j = 0; j < K; ++j) {
                RNNSTATS_UNROLL
                for (int o = 0; o < K; ++o) now[o] = map[o * K + j] + (x[r * K + o] - top);
                RNNSTATS_UNROLL
                for (int i = 0; i < K; ++i) {
                    Vec best = now[0] + logs[i * K];
                    RNNSTATS_UNROLL
                    for (int o = 1; o < K; ++o) best = simd::maximum(best, now[o] + logs[i * K + o]);
                    map[i * K + j] = best;
                }
            }
        }
        Vec top = map[0];
        for (int i = 1; i < K * K; ++i) top = simd::maximum(top, map[i]);
        for (int i = 0; i < K * K; ++i) map[i] = map[i] - top;
        Ints yes = simd::splat_ints(-1); // each row is the first one and a number
        for (int i = 1; i < K; ++i)
            for (int j = 1; j < K; ++j) {
                const Vec gap = (map[i * K + j] - map[i * K]) - (map[j] - map[0]);
                const Vec bound = (1.0 - map[i * K + j] - map[i * K] - map[j] - map[0]) * SAME;
                yes = yes & simd::above(bound, simd::maximum(gap, simd::splat(0.0) - gap));
            }
        if (!every(yes)) continue;
        top = map[0];
        for (int j = 1; j < K; ++j) top = simd::maximum(top, map[j]);
        for (int j = 0; j < K; ++j) simd::store(out + j * LANES, map[j] - top);
        return true;
    }
    return false;
}

// Most likely path, forward: where the best path into each state came from, a byte a state, into `path`,
// bands as they are. heights (K vectors): those of the row before each stretch, then of its last row,
// relative to what is added to `offset`. False: there is no path.
template <int K>
RNNSTATS_VECTOR_CLONES bool stretch_pack(const double *l, std::int64_t rows, const double *logs, double *heights,
                                         Sum *offset, std::int64_t *path) {
    alignas(64) Vec x[BAND * K];
    Vec now[K], next[K];
    LaneSum taken;
    Ints good = simd::splat_ints(-1);
    for (int j = 0; j < K; ++j) now[j] = simd::load(heights + j * LANES);
    for (std::int64_t t = 0; t < rows; t += BAND) {
        load_lanes<K, BAND>(l + t * K, rows * K, x);
        for (int r = 0; r < BAND; ++r) {
            Ints word = simd::splat_ints(0);
            RNNSTATS_UNROLL
            for (int j = 0; j < K; ++j) {
                Vec best = now[0] + logs[j];
                Ints from = simd::splat_ints(0);
                RNNSTATS_UNROLL
                for (int i = 1; i < K; ++i) {
                    const Vec way = now[i] + logs[i * K + j];
                    from = simd::choose(simd::above(way, best), simd::bits_of(simd::load(codes.x[i][j])), from);
                    best = simd::maximum(way, best);
                }
                word = word | from;
                next[j] = best + x[r * K + j];
            }
            simd::store(reinterpret_cast<double *>(path) + r * rows + t, simd::of_bits(word));
            RNNSTATS_UNROLL
            for (int j = 0; j < K; ++j) now[j] = next[j];
        }
        Vec top = now[0];
        RNNSTATS_UNROLL
        for (int j = 1; j < K; ++j) top = simd::maximum(top, now[j]);
        good = good & simd::above(top, simd::splat(NO));
        taken.add(top);
        RNNSTATS_UNROLL
        for (int j = 0; j < K; ++j) now[j] = now[j] - top;
    }
    if (!every(good)) return false;
    for (int j = 0; j < K; ++j) simd::store(heights + j * LANES, now[j]);
    taken.into(offset);
    return true;
}

// The way back through the stretches, from `state`. Returns the state in the row before them.
template <int K>
RNNSTATS_VECTOR_CLONES int stretch_unpack(std::int64_t rows, int state, std::int64_t *path) {
    alignas(64) Vec words[BAND];
    Ints map[K], at = simd::splat_ints(0);
    const Ints byte = simd::splat_ints(0x38);
    double *words_at = reinterpret_cast<double *>(path);
    RNNSTATS_UNROLL
    for (int j = 0; j < K; ++j) map[j] = simd::splat_ints(8 * j);
    for (std::int64_t t = rows - BAND; t >= 0; t -= BAND)
        for (int r = BAND - 1; r >= 0; --r) {
            const Ints word = simd::bits_of(simd::load(words_at + r * rows + t));
            RNNSTATS_UNROLL
            for (int j = 0; j < K; ++j) map[j] = simd::right(word, map[j]) & byte;
        }
    for (int lane = LANES - 1; lane >= 0; --lane) {
        at[lane] = 8 * state;
        state = static_cast<int>(map[state][lane] / 8);
    }
    for (std::int64_t t = rows - BAND; t >= 0; t -= BAND) {
        for (int r = BAND - 1; r >= 0; --r) words[r] = simd::load(words_at + r * rows + t);
        for (int r = BAND - 1; r >= 0; --r) {
            const Ints word = simd::bits_of(words[r]);
            words[r] = simd::of_bits(simd::right(at, 3));
            at = simd::right(word, at) & byte;
        }
        store_lanes<1, BAND>(words, rows, words_at + t);
    }
    return state;
}

} // namespace markov
} // namespace rnnstats
