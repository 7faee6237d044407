// One positive transition matrix, states padded with zeros to a width W of 2, 4, 8, 16 or a multiple of
// 8, so that every loop over states is whole vectors.
//
// A row's densities are divided by their largest. Within a block of rows the forward vector is left
// unscaled, so that no division waits in the chain from row to row; where that comes near underflow, or
// the state with the largest density cannot be there, the block is run again, each row scaled.
#pragma once

#include "markov_chain.hpp"

namespace rnnstats {
namespace markov {

constexpr int BLOCK = 8;  // rows between divisions
constexpr int CHUNK = 32; // blocks whose densities are computed at once

// An array of W numbers: in place where W is a constant.
template <class W>
struct Row {
    alignas(64) double x[W::value];
    explicit Row(W) {}
    double *data() { return x; }
};
template <>
struct Row<Dim<0>> {
    std::vector<double> x;
    explicit Row(Dim<0> w) : x(w) {}
    double *data() { return x.data(); }
};

template <class W>
constexpr bool whole = W::value == 0 || W::value % LANES == 0; // rows are whole vectors

// Row maxima m and padded densities exp(l - m) of `rows` rows; b has room for whole vectors.
template <class W>
RNNSTATS_INLINE void densities(W w, int k, int rows, const double *l, double *m, double *b) {
    for (int t = 0; t < rows; ++t) {
        const double *from = l + static_cast<std::int64_t>(t) * k;
        double *to = b + t * w;
        double top;
        if (whole<W> && k == w) {
            Vec best = simd::load(from);
            for (int j = LANES; j < w; j += LANES) best = simd::maximum(best, simd::load(from + j));
            const double one = best[0] > best[4] ? best[0] : best[4], two = best[1] > best[5] ? best[1] : best[5];
            const double three = best[2] > best[6] ? best[2] : best[6], four = best[3] > best[7] ? best[3] : best[7];
            const double left = one > two ? one : two, right = three > four ? three : four;
            top = left > right ? left : right;
            const double base = top == NO ? 0.0 : top;
            for (int j = 0; j < w; j += LANES) simd::store(to + j, simd::load(from + j) - base);
        } else {
            top = from[0];
            for (int j = 1; j < k; ++j) top = from[j] > top ? from[j] : top;
            const double base = top == NO ? 0.0 : top;
            for (int j = 0; j < k; ++j) to[j] = from[j] - base;
            for (int j = k; j < w; ++j) to[j] = NO;
        }
        m[t] = top;
    }
    for (int i = 0; i < rows * w; i += LANES) simd::store(b + i, simd::exp_negative(simd::load(b + i)));
}

// to_j = sum_i from_i P_ij; partial sums, so that the additions do not wait for each other.
template <class W>
RNNSTATS_INLINE void step(W w, const double *from, const double *P, double *to) {
    if constexpr (W::value == 2) {
        const double a = from[0], b = from[1];
        to[0] = a * P[0] + b * P[2];
        to[1] = a * P[1] + b * P[3];
    } else if constexpr (W::value == 4) {
        for (int j = 0; j < 4; ++j)
            to[j] = (from[0] * P[j] + from[1] * P[4 + j]) + (from[2] * P[8 + j] + from[3] * P[12 + j]);
    } else if constexpr (W::value == 8) {
        using simd::load;
        const Vec a = load(from);
        const Vec one = simd::spread<0>(a) * load(P) + simd::spread<1>(a) * load(P + 8);
        const Vec two = simd::spread<2>(a) * load(P + 16) + simd::spread<3>(a) * load(P + 24);
        const Vec three = simd::spread<4>(a) * load(P + 32) + simd::spread<5>(a) * load(P + 40);
        const Vec four = simd::spread<6>(a) * load(P + 48) + simd::spread<7>(a) * load(P + 56);
        simd::store(to, (one + two) + (three + four));
    } else if constexpr (W::value == 16) {
        for (int j = 0; j < w; j += LANES) {
            Vec part[4];
            for (int o = 0; o < 4; ++o) part[o] = from[o] * simd::load(P + o * w + j);
            for (int i = 4; i < w; i += 4)
                for (int o = 0; o < 4; ++o) part[o] += from[i + o] * simd::load(P + (i + o) * w + j);
            simd::store(to + j, (part[0] + part[1]) + (part[2] + part[3]));
        }
    } else {
        int j = 0;
        for (; j + 4 * LANES <= w; j += 4 * LANES) {
            Vec part[4];
            for (int o = 0; o < 4; ++o) part[o] = from[0] * simd::load(P + j + o * LANES);
            for (int i = 1; i < w; ++i)
                for (int o = 0; o < 4; ++o) part[o] += from[i] * simd::load(P + i * w + j + o * LANES);
            for (int o = 0; o < 4; ++o) simd::store(to + j + o * LANES, part[o]);
        }
        for (; j < w; j += LANES) {
            Vec part[2] = {simd::splat(0.0), simd::splat(0.0)};
            for (int i = 0; i < w; i += 2)
                for (int o = 0; o < 2; ++o) part[o] += from[i + o] * simd::load(P + (i + o) * w + j);
            simd::store(to + j, part[0] + part[1]);
        }
    }
}

template <class W>
RNNSTATS_INLINE double total(W w, const double *x) {
    if constexpr (W::value == 2) {
        return x[0] + x[1];
    } else if constexpr (W::value == 4) {
        return (x[0] + x[2]) + (x[1] + x[3]);
    } else {
        Vec sum = simd::load(x);
        for (int j = LANES; j < w; j += LANES) sum += simd::load(x + j);
        return simd::sum_of(sum);
    }
}

// A k by k matrix padded with zeros, or its transpose.
template <class W>
void pad(W w, int k, const double *matrix, bool turned, double *out) {
    for (int i = 0; i < w * w; ++i) out[i] = 0.0;
    for (int i = 0; i < k; ++i)
        for (int j = 0; j < k; ++j) out[turned ? j * w + i : i * w + j] = matrix[i * k + j];
}

// Scratch of one call.
template <class W>
struct Work {
    std::vector<double> m, b, m2, b2, P, PT, square, sums, scales, past, weight; // square: transpose as it is
    Work(W w, const Chain &c)
        : m(CHUNK * BLOCK), b(CHUNK * BLOCK * w), m2(CHUNK * BLOCK), b2(CHUNK * BLOCK * w), P(w * w), PT(w * w),
          square(c.k * c.k), sums(w * w), past((BLOCK + 1) * w), weight(BLOCK * w) {
        pad(w, c.k, c.transition, false, P.data());
        pad(w, c.k, c.transition, true, PT.data());
        pad(Dim<0>(c.k), c.k, c.transition, true, square.data());
    }
};

// First row of sequence s, padded: what can be is given by the start.
template <class W>
RNNSTATS_INLINE void begin(W w, const Chain &chain, int s, double *predicted) {
    for (int j = 0; j < w; ++j) predicted[j] = j < chain.k ? chain.start[s * chain.k + j] : 0.0;
}

// k numbers into an output row, and back, padded with zeros.
template <class W>
RNNSTATS_INLINE void put_row(W w, int k, const double *from, double *to) {
    if (whole<W> && k == w)
        for (int j = 0; j < w; j += LANES) simd::store(to + j, simd::load(from + j));
    else
        for (int j = 0; j < k; ++j) to[j] = from[j];
}
template <class W>
RNNSTATS_INLINE void get_row(W w, int k, const double *from, double *to) {
    if (whole<W> && k == w)
        for (int j = 0; j < w; j += LANES) simd::store(to + j, simd::load(from + j));
    else
        for (int j = 0; j < w; ++j) to[j] = j < k ? from[j] : 0.0;
}
template <class W>
RNNSTATS_INLINE void product(W w, const double *x, const double *y, double *to) {
    if constexpr (whole<W>)
        for (int j = 0; j < w; j += LANES) simd::store(to + j, simd::load(x + j) * simd::load(y + j));
    else
        for (int j = 0; j < w; ++j) to[j] = x[j] * y[j];
}
template <class W>
RNNSTATS_INLINE void scaled(W w, const double *x, double by, double *to) {
    if constexpr (whole<W>)
        for (int j = 0; j < w; j += LANES) simd::store(to + j, simd::load(x + j) * by);
    else
        for (int j = 0; j < w; ++j) to[j] = x[j] * by;
}

enum class Rows { none, written, kept };

// Forward pass of rows [first, end). `carried` holds the filtered probabilities of the row before, and
// then of the last one; `begins`: there is none before, the sequence begins. False: not to be trusted.
// written: all rows of out.llf_obs, predicted and filtered. kept: forward vectors as they are within
// their block into out.smoothed, scales of the blocks into work.scales, for `backward_rows`.
template <class W, Rows ROWS_ARE>
RNNSTATS_VECTOR_CLONES bool forward_rows(W w, const Chain &chain, int s, bool begins, std::int64_t first,
                                         std::int64_t end, double *carried, Work<W> &work, const Output &out,
                                         Sum *llf) {
    const int k = chain.k;
    Row<W> a_(w), next_(w), row_(w);
    double *a = a_.data(), *next = next_.data(), *row = row_.data(), *P = work.P.data();
    double scales[BLOCK + 1];
    std::size_t block = 0;
    for (int j = 0; j < w; ++j) a[j] = carried[j];
    for (std::int64_t chunk = first; chunk < end; chunk += CHUNK * BLOCK) {
        const int rows = static_cast<int>(end - chunk < CHUNK * BLOCK ? end - chunk : CHUNK * BLOCK);
        densities(w, k, rows, chain.density(chunk), work.m.data(), work.b.data());
        for (int from = 0; from < rows; from += BLOCK) {
            const int to = rows - from < BLOCK ? rows : from + BLOCK;
            double offset = 0.0;
            scales[0] = 1.0;
            for (int r = from; r < to; ++r) {
                const std::int64_t t = chunk + r;
                if (begins && t == first) begin(w, chain, s, next);
                else step(w, a, P, next);
                product(w, next, work.b.data() + r * w, a);
                offset += work.m[r];
                if (ROWS_ARE == Rows::kept) put_row(w, k, a, out.smoothed + t * k);
                if (ROWS_ARE == Rows::written) {
                    const double scale = total(w, a);
                    scales[r - from + 1] = scale;
                    scaled(w, next, 1.0 / scales[r - from], row);
                    put_row(w, k, row, out.predicted + t * k);
                    scaled(w, a, 1.0 / scale, row);
                    put_row(w, k, row, out.filtered + t * k);
                }
            }
            const double scale = total(w, a);
            if (!(scale > TINY && offset > NO)) return false;
            if (ROWS_ARE == Rows::written)
                for (int r = from; r < to; ++r)
                    out.llf_obs[chunk + r] = work.m[r] + simd::log_normal(scales[r - from + 1] / scales[r - from]);
            if (ROWS_ARE == Rows::kept) work.scales[block++] = scale;
            llf->add(offset + std::log(scale));
            scaled(w, a, 1.0 / scale, a);
        }
    }
    for (int j = 0; j < w; ++j) carried[j] = a[j];
    return true;
}

// Log-likelihood of rows [first, end): forward from `a` and backward from the end at once, two chains
// that do not wait for each other, which meet in the middle. False where scales come near underflow:
// `forward_rows` then decides.
template <class W>
RNNSTATS_VECTOR_CLONES bool meeting_rows(W w, const Chain &chain, int s, bool begins, std::int64_t first,
                                         std::int64_t end, const double *carried, Work<W> &work, Sum *llf) {
    const int k = chain.k;
    const std::int64_t half = (end - first) / 2;
    Row<W> a_(w), next_(w), v_(w), u_(w);
    double *a = a_.data(), *next = next_.data(), *v = v_.data(), *u = u_.data();
    const double *P = work.P.data(), *PT = work.PT.data();
    for (int j = 0; j < w; ++j) a[j] = carried[j];
    for (int j = 0; j < w; ++j) v[j] = j < k ? 1.0 : 0.0;
    for (std::int64_t done = 0; done < half; done += CHUNK * BLOCK) {
        const int rows = static_cast<int>(half - done < CHUNK * BLOCK ? half - done : CHUNK * BLOCK);
        densities(w, k, rows, chain.density(first + done), work.m.data(), work.b.data());
        densities(w, k, rows, chain.density(end - done - rows), work.m2.data(), work.b2.data());
        for (int from = 0; from < rows; from += BLOCK) {
            const int to = rows - from < BLOCK ? rows : from + BLOCK;
            double offset = 0.0;
            for (int r = from; r < to; ++r) {
                const double *b = work.b.data() + r * w, *b2 = work.b2.data() + (rows - 1 - r) * w;
                if (begins && done + r == 0) begin(w, chain, s, next);
                else step(w, a, P, next);
                for (int j = 0; j < w; ++j) u[j] = v[j] * b2[j];
                for (int j = 0; j < w; ++j) a[j] = next[j] * b[j];
                step(w, u, PT, v);
                offset += work.m[r] + work.m2[rows - 1 - r];
            }
            const double scale = total(w, a), scale2 = total(w, v);
            if (!(scale > TINY) || !(scale2 > TINY) || !(offset > NO)) return false;
            llf->add(offset + std::log(scale * scale2));
            const double by = 1.0 / scale, by2 = 1.0 / scale2;
            for (int j = 0; j < w; ++j) a[j] *= by;
            for (int j = 0; j < w; ++j) v[j] *= by2;
        }
    }
    // joined in the middle: by the next step, or with a row between
    if (half == 0 && begins) begin(w, chain, s, next);
    else step(w, a, P, next);
    double joint = 0.0;
    if ((end - first) % 2) {
        densities(w, k, 1, chain.density(first + half), work.m.data(), work.b.data());
        for (int j = 0; j < w; ++j) joint += next[j] * work.b[j] * v[j];
        llf->add(work.m[0]);
    } else {
        // v holds what a step brings: the probability of the second half from each state before it
        for (int j = 0; j < w; ++j) joint += a[j] * v[j];
    }
    if (!(joint > TINY)) return false;
    llf->add(std::log(joint));
    return true;
}

// sums_ij += sum of past_i weight_j over `rows` rows.
template <class W>
RNNSTATS_INLINE void add_steps(W w, int rows, const double *past, const double *weight, double *sums) {
    if constexpr (whole<W>) {
        for (int j = 0; j < w; j += LANES) {
            Vec to[BLOCK];
            if (rows == BLOCK) {
                for (int r = 0; r < BLOCK; ++r) to[r] = simd::load(weight + r * w + j);
                for (int i = 0; i < w; ++i) {
                    Vec one = simd::load(sums + i * w + j), two = past[i] * to[0];
                    for (int r = 1; r < BLOCK; r += 2) one += past[r * w + i] * to[r];
                    for (int r = 2; r < BLOCK; r += 2) two += past[r * w + i] * to[r];
                    simd::store(sums + i * w + j, one + two);
                }
            } else {
                for (int r = 0; r < rows; ++r)
                    for (int i = 0; i < w; ++i)
                        simd::store(sums + i * w + j, simd::load(sums + i * w + j) +
                                                          past[r * w + i] * simd::load(weight + r * w + j));
            }
        }
    } else {
        for (int r = 0; r < rows; ++r)
            for (int i = 0; i < w; ++i)
                for (int j = 0; j < w; ++j) sums[i * w + j] += past[r * w + i] * weight[r * w + j];
    }
}

// Backward pass of rows [first, end) after `forward_rows` has kept them. The backward vector is unscaled
// within a block as the forward vector is, so that their products sum to one in every row. `carried`:
// that of the last row beside filtered probabilities, and then of the row before the first;
// `before_first`: filtered probabilities of that row. work.sums (w, w) is added to.
template <class W>
RNNSTATS_VECTOR_CLONES void backward_rows(W w, const Chain &chain, int s, bool begins, std::int64_t first,
                                          std::int64_t end, double *carried, const double *before_first,
                                          Work<W> &work, const Output &out) {
    const int k = chain.k;
    Row<W> beta_(w), row_(w);
    double *beta = beta_.data(), *row = row_.data();
    const double *PT = work.PT.data();
    std::int64_t block = (end - first - 1) / BLOCK;
    for (int j = 0; j < w; ++j) beta[j] = carried[j];
    for (std::int64_t chunk = first + block / CHUNK * (CHUNK * BLOCK); chunk >= first; chunk -= CHUNK * BLOCK) {
        const int rows = static_cast<int>(end - chunk < CHUNK * BLOCK ? end - chunk : CHUNK * BLOCK);
        densities(w, k, rows, chain.density(chunk), work.m.data(), work.b.data());
        for (int from = (rows - 1) / BLOCK * BLOCK; from >= 0; from -= BLOCK, --block) {
            const int to = rows - from < BLOCK ? rows : from + BLOCK;
            const bool opens = begins && block == 0;
            // forward vectors of the row before the block, and of its rows
            double *past = work.past.data(), *weight = work.weight.data();
            if (block > 0) {
                get_row(w, k, out.smoothed + (chunk + from - 1) * k, past);
                scaled(w, past, 1.0 / work.scales[block - 1], past);
            } else {
                for (int j = 0; j < w; ++j) past[j] = opens ? 0.0 : before_first[j];
            }
            scaled(w, beta, 1.0 / work.scales[block], beta);
            for (int r = to - 1; r >= from; --r) {
                double *now = past + (r - from + 1) * w, *to_row = weight + (r - from) * w;
                get_row(w, k, out.smoothed + (chunk + r) * k, now);
                product(w, now, beta, row);
                put_row(w, k, row, out.smoothed + (chunk + r) * k);
                product(w, work.b.data() + r * w, beta, to_row);
                if (opens && r == 0) break;
                step(w, to_row, PT, beta);
            }
            const int skip = opens ? 1 : 0; // no step leads into the first row
            add_steps(w, to - from - skip, past + skip * w, weight + skip * w, work.sums.data());
            for (int r = from + skip; out.joint && r < to; ++r)
                for (int i = 0; i < k; ++i)
                    for (int j = 0; j < k; ++j)
                        out.joint[((chunk + r) * k + i) * k + j] =
                            past[(r - from) * w + i] * PT[j * w + i] * weight[(r - from) * w + j];
            if (opens)
                for (int j = 0; j < k; ++j)
                    out.d_start[s * k + j] = weight[j] < HUGE_SLOPE ? weight[j] : HUGE_SLOPE;
        }
    }
    for (int j = 0; j < w; ++j) carried[j] = beta[j];
}

// Most likely path for at most eight states. Each row of `path` first holds where the best path into
// each state came from, a byte a state, eight times the state's number; no other memory. `heights`: those of the row before, then of the
// last row; what is taken off them goes into `offset`.
template <class W>
RNNSTATS_VECTOR_CLONES void packed_rows(W w, const Chain &chain, int s, bool begins, std::int64_t first,
                                        std::int64_t end, const double *logs, double *heights, Sum *offset,
                                        std::int64_t *path) {
    const int k = chain.k;
    Row<W> next_(w);
    double *next = next_.data();
    for (std::int64_t t = first; t < end; ++t) {
        const double *l = chain.density(t);
        if (begins && t == first) {
            for (int j = 0; j < w; ++j) heights[j] = j < k ? std::log(chain.start[s * k + j]) + l[j] : NO;
            continue;
        }
        if constexpr (whole<W>) {
            Vec way[8];
            RNNSTATS_UNROLL
            for (int i = 0; i < 8; ++i) way[i] = heights[i] + simd::load(logs + i * 8);
            const Vec one = simd::maximum(way[0], way[1]), two = simd::maximum(way[2], way[3]);
            const Vec three = simd::maximum(way[4], way[5]), four = simd::maximum(way[6], way[7]);
            const Vec best = simd::maximum(simd::maximum(one, two), simd::maximum(three, four));
            Ints from = simd::bits_of(simd::load(codes.x[7][0]));
            RNNSTATS_UNROLL
            for (int i = 6; i >= 0; --i) from = simd::choose(simd::same(way[i], best), simd::bits_of(simd::load(codes.x[i][0])), from);
            path[t] = simd::bytes_of(from);
            if (k == 8) {
                simd::store(heights, best + simd::load(l));
            } else {
                simd::store(next, best);
                for (int j = 0; j < 8; ++j) heights[j] = j < k ? next[j] + l[j] : NO;
            }
        } else {
            std::int64_t packed = 0;
            for (int j = 0; j < k; ++j) {
                double best = heights[0] + logs[j];
                std::int64_t from = 0;
                for (int i = 1; i < k; ++i) {
                    const double way = heights[i] + logs[i * w + j];
                    from = way > best ? 8 * i : from;
                    best = way > best ? way : best;
                }
                next[j] = best + l[j];
                packed |= from << (8 * j);
            }
            path[t] = packed;
            for (int j = 0; j < k; ++j) heights[j] = next[j];
        }
        if ((t - first) % (CHUNK * BLOCK) == 0) {
            double top = heights[0];
            for (int j = 1; j < k; ++j) top = heights[j] > top ? heights[j] : top;
            if (!(top > NO)) continue;
            offset->add(top);
            for (int j = 0; j < k; ++j) heights[j] -= top;
        }
    }
}

// The way back through packed rows from `state`; returns the state in the row before the first.
inline int unpack(std::int64_t first, std::int64_t end, int state, std::int64_t *path) {
    std::int64_t at = 8 * state;
    for (std::int64_t t = end - 1; t >= first; --t) {
        const std::int64_t packed = path[t];
        path[t] = at / 8;
        at = (packed >> at) & 0x38;
    }
    return static_cast<int>(at / 8);
}

// More states. Heights of the best paths into each, (rows, w), from those of the row before (`begins`:
// there is none); relative to their largest in the last row. Returns what is taken off there.
template <class W>
RNNSTATS_VECTOR_CLONES double height_rows(W w, const Chain &chain, int s, bool begins, std::int64_t first,
                                          std::int64_t end, const double *height, const double *logs,
                                          double *heights) {
    const int k = chain.k;
    for (std::int64_t t = first; t < end; ++t) {
        double *next = heights + (t - first) * w;
        const double *l = chain.density(t);
        if (begins && t == first) {
            for (int j = 0; j < w; ++j) next[j] = j < k ? std::log(chain.start[s * k + j]) + l[j] : NO;
        } else {
            for (int j = 0; j < w; j += LANES) {
                Vec best[4];
                for (int o = 0; o < 4; ++o) best[o] = height[o] + simd::load(logs + o * w + j);
                for (int i = 4; i < w; i += 4)
                    for (int o = 0; o < 4; ++o)
                        best[o] = simd::maximum(best[o], height[i + o] + simd::load(logs + (i + o) * w + j));
                const Vec top = simd::maximum(simd::maximum(best[0], best[1]), simd::maximum(best[2], best[3]));
                simd::store(next + j, k == w ? top + simd::load(l + j) : top);
            }
            if (k < w)
                for (int j = 0; j < w; ++j) next[j] = j < k ? next[j] + l[j] : NO;
        }
        height = next;
    }
    double *last = heights + (end - 1 - first) * w, top = NO;
    for (int j = 0; j < k; ++j) top = last[j] > top ? last[j] : top;
    if (!(top > NO)) return 0.0;
    for (int j = 0; j < w; ++j) last[j] -= top;
    return top;
}

// The way back through heights from `state` in row end - 1: where a path came from is found again for
// the one state it goes through. `turned`: logs of the transition's transpose; `height`: of the row
// before the first. Returns the state there.
template <class W>
RNNSTATS_VECTOR_CLONES int way_back(W w, bool begins, std::int64_t first, std::int64_t end, const double *height,
                                    const double *turned, const double *heights, int state, std::int64_t *path) {
    for (std::int64_t t = end - 1; t >= first; --t) {
        path[t] = state;
        if (begins && t == first) return state;
        const double *past = t == first ? height : heights + (t - 1 - first) * w, *into = turned + state * w;
        Vec ways = simd::load(past) + simd::load(into);
        for (int i = LANES; i < w; i += LANES) ways = simd::maximum(ways, simd::load(past + i) + simd::load(into + i));
        double top = NO;
        for (int o = 0; o < LANES; ++o) top = ways[o] > top ? ways[o] : top;
        state = 0;
        if (top > NO)
            while (past[state] + into[state] != top) ++state;
    }
    return state;
}

} // namespace markov
} // namespace rnnstats
