// Hidden Markov chains: whole calls. Each sequence is run by the fastest recursion that is exact for it
// (see markov_chain.hpp).
#pragma once

#include "markov_exact.hpp"
#include "markov_lanes.hpp"
#include "markov_scaled.hpp"
#include "markov_score.hpp"
#include "markov_stretches.hpp"

namespace rnnstats {
namespace markov {

// Calls f with the padded number of states, as a type where it is small.
template <class F>
auto with_width(int k, F f) {
    if (k <= 2) return f(Dim<2>());
    if (k <= 4) return f(Dim<4>());
    if (k <= 8) return f(Dim<8>());
    if (k <= 16) return f(Dim<16>());
    return f(Dim<0>((k + 7) / 8 * 8));
}

// Calls f with the number of states as a type, where lanes serve it.
template <class F>
bool with_lanes(int k, F f) {
    if (k == 2) return f(Dim<2>());
    if (k == 3) return f(Dim<3>());
    if (k == 4) return f(Dim<4>());
    return false;
}

// Calls f with the number of states as a type, where stretches serve it.
template <class F>
bool with_stretches(int k, F f) {
    if (k == 5) return f(Dim<5>());
    if (k == 6) return f(Dim<6>());
    if (k == 7) return f(Dim<7>());
    if (k == 8) return f(Dim<8>());
    return with_lanes(k, f);
}

// Rows [first, end) of sequence s: the first by itself, spans by lanes, and what is left over.
struct Parts {
    std::int64_t spans, tail; // number of spans, first row of the tail
    Parts(const Chain &c, std::int64_t first, std::int64_t end)
        : spans(c.k >= 2 && c.k <= 4 ? (end - first - 1) / SPAN : 0), tail(first + 1 + spans * SPAN) {}
};

// A start must be zero or far above what is lost, as transitions are.
inline bool sure_start(const Chain &c, int s) {
    for (int j = 0; j < c.k; ++j) {
        const double p = c.start[s * c.k + j];
        if (p != 0.0 && !(p > SURE)) return false;
    }
    return true;
}

// The first row of a sequence by itself: filtered probabilities, and densities relative to the row's.
struct Head {
    double filtered[8], relative[8], llf;
    Head(const Chain &c, int s, std::int64_t first) {
        const double *l = c.density(first), *start = c.start + static_cast<std::int64_t>(s) * c.k;
        double top = NO, sum = 0.0;
        for (int j = 0; j < c.k; ++j)
            if (start[j] > 0.0 && l[j] > top) top = l[j];
        for (int j = 0; j < c.k; ++j) {
            const double gap = l[j] - top;
            relative[j] = top > NO ? std::exp(gap < LARGEST ? gap : LARGEST) : 0.0;
            filtered[j] = start[j] > 0.0 ? start[j] * relative[j] : 0.0;
            sum += filtered[j];
        }
        llf = sum > 0.0 ? top + std::log(sum) : NO;
        for (int j = 0; j < c.k; ++j) {
            filtered[j] /= sum;
            relative[j] /= sum;
        }
    }
    // beta: backward vector of the row, up to a factor.
    void smooth(const Chain &c, int s, std::int64_t first, const double *beta, const Output &out) const {
        const int k = c.k;
        double whole = 0.0;
        for (int j = 0; j < k; ++j) whole += filtered[j] * beta[j];
        for (int j = 0; j < k; ++j) {
            const double slope = relative[j] * beta[j] / whole;
            out.smoothed[first * k + j] = filtered[j] * beta[j] / whole;
            out.d_start[s * k + j] = slope < HUGE_SLOPE ? slope : HUGE_SLOPE;
        }
    }
};

// Vectors of stretches, a lane each, `WIDE` states at most.
constexpr int WIDE = 8;
struct Cuts {
    alignas(64) double x[WIDE * LANES];
    double *data() { return x; }
    // Each lane's vector is that of the lane before it, the first one's is given; or the other way round.
    void pass_on(int k, const double *given) {
        for (int j = 0; j < k; ++j) {
            for (int lane = LANES - 1; lane > 0; --lane) x[j * LANES + lane] = x[j * LANES + lane - 1];
            x[j * LANES] = given[j];
        }
    }
    void pass_back(int k, const double *given) {
        for (int j = 0; j < k; ++j) {
            for (int lane = 0; lane < LANES - 1; ++lane) x[j * LANES + lane] = x[j * LANES + lane + 1];
            x[j * LANES + LANES - 1] = given[j];
        }
    }
    void take(int k, int lane, double *to) const {
        for (int j = 0; j < k; ++j) to[j] = x[j * LANES + lane];
    }
};

// The functions that end in _stretches serve one sequence of a chain of positive transitions that forgets;
// false, and no sum changed, where it does not, and where scales came near underflow or a row is impossible.

template <class W>
bool loglike_stretches(W w, const Chain &c, int s, std::int64_t first, std::int64_t end, Work<W> &work, Sum *llf) {
    const Stretches parts(c, first, end);
    if (parts.rows == 0) return false;
    const Output nothing{};
    const Head head(c, s, first);
    Row<W> a_(w);
    double *a = a_.data();
    Cuts cuts;
    Sum sum = *llf;
    sum.add(head.llf);
    for (int j = 0; j < w; ++j) a[j] = 0.0;
    const bool good = with_stretches(c.k, [&](auto K) {
        constexpr int k = decltype(K)::value;
        const double *l = c.density(first + 1);
        if (!forget<k>(true, l, parts.rows, work.square.data(), cuts.data())) return false;
        cuts.pass_on(k, head.filtered);
        return stretch_forward<k>(l, parts.rows, c.transition, cuts.data(), nullptr, nullptr, &sum);
    });
    if (!good) return false;
    cuts.take(c.k, LANES - 1, a);
    if (!forward_rows<W, Rows::none>(w, c, s, false, parts.tail, end, a, work, nothing, &sum)) return false;
    *llf = sum;
    return true;
}

template <class W>
bool smooth_stretches(W w, const Chain &c, int s, std::int64_t first, std::int64_t end, Work<W> &work,
                      std::vector<double> &store, std::vector<double> &lanes, const Output &out, Sum *llf) {
    const Stretches parts(c, first, end);
    if (parts.rows == 0 || out.joint) return false;
    const int k = c.k;
    const double *l = c.density(first + 1);
    const Head head(c, s, first);
    Row<W> a_(w), beta_(w), last_(w);
    double *a = a_.data(), *beta = beta_.data(), *last = last_.data(), *smoothed = out.smoothed + (first + 1) * k;
    Cuts past, present, future;
    Sum sum = *llf;
    sum.add(head.llf);
    for (int j = 0; j < w; ++j) {
        a[j] = 0.0;
        beta[j] = j < k ? 1.0 : 0.0;
    }
    if (store.size() < static_cast<std::size_t>(parts.rows)) store.resize(parts.rows);
    const bool good = with_stretches(k, [&](auto K) {
        constexpr int n = decltype(K)::value;
        if (!forget<n>(true, l, parts.rows, work.square.data(), past.data())) return false;
        if (!forget<n>(false, l, parts.rows, c.transition, future.data())) return false;
        past.pass_on(n, head.filtered);
        present = past;
        return stretch_forward<n>(l, parts.rows, c.transition, present.data(), smoothed, store.data(), &sum);
    });
    if (!good) return false;
    present.take(k, LANES - 1, a);
    for (int j = 0; j < w; ++j) last[j] = a[j];
    work.scales.resize((end - parts.tail) / BLOCK + 2);
    if (!forward_rows<W, Rows::kept>(w, c, s, false, parts.tail, end, a, work, out, &sum)) return false;
    if (parts.tail < end) backward_rows(w, c, s, false, parts.tail, end, beta, last, work, out);
    future.pass_back(k, beta);
    with_stretches(k, [&](auto K) {
        stretch_backward<decltype(K)::value>(l, parts.rows, c.transition, past.data(), present.data(), store.data(),
                                             future.data(), lanes.data(), smoothed);
        return true;
    });
    future.take(k, 0, beta);
    head.smooth(c, s, first, beta, out);
    *llf = sum;
    return true;
}

// The functions that end in _positive serve one sequence of a chain of positive transitions; false, and
// nothing added, where scales came near underflow or a row is impossible: `run_exact` then decides.

template <class W>
bool loglike_positive(W w, const Chain &c, int s, std::int64_t first, std::int64_t end, Work<W> &work, Sum *llf) {
    if (loglike_stretches(w, c, s, first, end, work, llf)) return true;
    const Parts parts(c, first, end);
    const Output nothing{};
    Row<W> a_(w);
    double *a = a_.data();
    Sum sum = *llf;
    for (int j = 0; j < w; ++j) a[j] = 0.0;
    bool good;
    if (parts.spans > 0) {
        const Head head(c, s, first);
        for (int j = 0; j < c.k; ++j) a[j] = head.filtered[j];
        sum.add(head.llf);
        good = with_lanes(c.k, [&](auto k) {
            for (std::int64_t t = first + 1; t < parts.tail; t += SPAN)
                if (!span_loglike<decltype(k)::value>(c.density(t), c.transition, a, &sum)) return false;
            return forward_rows<W, Rows::none>(w, c, s, false, parts.tail, end, a, work, nothing, &sum);
        });
    } else {
        good = meeting_rows(w, c, s, true, first, end, a, work, &sum);
    }
    if (good) *llf = sum;
    return good;
}

template <class W>
bool forward_positive(W w, const Chain &c, int s, std::int64_t first, std::int64_t end, Work<W> &work,
                      const Output &out, Sum *llf) {
    const Parts parts(c, first, end);
    const int k = c.k;
    Row<W> a_(w);
    double *a = a_.data();
    for (int j = 0; j < w; ++j) a[j] = 0.0;
    if (parts.spans == 0) return forward_rows<W, Rows::written>(w, c, s, true, first, end, a, work, out, llf);
    const Head head(c, s, first);
    out.llf_obs[first] = head.llf;
    for (int j = 0; j < k; ++j) {
        out.predicted[first * k + j] = c.start[s * k + j];
        out.filtered[first * k + j] = a[j] = head.filtered[j];
    }
    return with_lanes(k, [&](auto K) {
        for (std::int64_t t = first + 1; t < parts.tail; t += SPAN)
            if (!span_filter<decltype(K)::value>(c.density(t), c.transition, a, out.llf_obs + t,
                                                 out.predicted + t * k, out.filtered + t * k, llf))
                return false;
        return forward_rows<W, Rows::written>(w, c, s, false, parts.tail, end, a, work, out, llf);
    });
}

// `store` is scratch; `lanes` (k k vectors) and work.sums are added to.
template <class W>
bool smooth_positive(W w, const Chain &c, int s, std::int64_t first, std::int64_t end, Work<W> &work,
                     std::vector<double> &store, std::vector<double> &lanes, const Output &out, Sum *llf) {
    if (smooth_stretches(w, c, s, first, end, work, store, lanes, out, llf)) return true;
    const Parts parts(c, first, out.joint ? first + 1 : end);
    const int k = c.k, each = (k * k + k) * LANES;
    Row<W> a_(w), beta_(w), last_(w);
    double *a = a_.data(), *beta = beta_.data(), *last = last_.data();
    Sum sum = *llf;
    for (int j = 0; j < w; ++j) a[j] = 0.0;
    for (int j = 0; j < w; ++j) beta[j] = j < k ? 1.0 : 0.0;
    work.scales.resize((end - parts.tail) / BLOCK + 2);
    if (parts.spans == 0) {
        if (!forward_rows<W, Rows::kept>(w, c, s, true, first, end, a, work, out, &sum)) return false;
        backward_rows(w, c, s, true, first, end, beta, nullptr, work, out);
        *llf = sum;
        return true;
    }
    if (store.size() < static_cast<std::size_t>(parts.spans * each)) store.resize(parts.spans * each);
    const Head head(c, s, first);
    sum.add(head.llf);
    for (int j = 0; j < k; ++j) a[j] = head.filtered[j];
    const bool good = with_lanes(k, [&](auto K) {
        for (std::int64_t i = 0; i < parts.spans; ++i)
            if (!span_maps<decltype(K)::value>(c.density(first + 1 + i * SPAN), c.transition, a,
                                               store.data() + i * each, &sum))
                return false;
        for (int j = 0; j < w; ++j) last[j] = a[j];
        return forward_rows<W, Rows::kept>(w, c, s, false, parts.tail, end, a, work, out, &sum);
    });
    if (!good) return false;
    if (parts.tail < end) backward_rows(w, c, s, false, parts.tail, end, beta, last, work, out);
    with_lanes(k, [&](auto K) {
        for (std::int64_t i = parts.spans - 1; i >= 0; --i) {
            const std::int64_t t = first + 1 + i * SPAN;
            span_smooth<decltype(K)::value>(c.density(t), c.transition, store.data() + i * each, beta, lanes.data(),
                                            out.smoothed + t * k);
        }
        return true;
    });
    head.smooth(c, s, first, beta, out);
    *llf = sum;
    return true;
}

inline double run_loglike(const Chain &c, std::int64_t *period) {
    Sum llf;
    const Output nothing{};
    bool in_logs = false, possible = true;
    const bool positive = c.positive();
    with_width(c.k, [&](auto w) {
        std::vector<Work<decltype(w)>> work;
        if (positive) work.emplace_back(w, c);
        for (int s = 0; s < c.sequences && possible; ++s) {
            const std::int64_t first = c.offsets[s], end = c.offsets[s + 1];
            if (positive && sure_start(c, s) && loglike_positive(w, c, s, first, end, work[0], &llf)) continue;
            possible = run_exact(c, s, first, end, nullptr, nothing, &llf, period, &in_logs) == Ended::well;
        }
    });
    return possible ? llf.value() : NO;
}

// All of llf_obs, predicted and filtered; log_filtered too where it is given.
inline void run_forward(const Chain &c, const Output &out) {
    const bool positive = c.positive() && !out.log_filtered;
    with_width(c.k, [&](auto w) {
        std::vector<Work<decltype(w)>> work;
        if (positive) work.emplace_back(w, c);
        for (int s = 0; s < c.sequences; ++s) {
            const std::int64_t first = c.offsets[s], end = c.offsets[s + 1];
            Sum llf;
            std::int64_t period = -1;
            bool in_logs = false;
            if (positive && sure_start(c, s) && forward_positive(w, c, s, first, end, work[0], out, &llf)) continue;
            run_exact(c, s, first, end, nullptr, out, &llf, &period, &in_logs);
        }
    });
}

// Forward and backward pass. Returns the log-likelihood; -inf: nothing but `period` is of use.
inline double run_smooth(const Chain &c, const Output &out, std::int64_t *period) {
    const int k = c.k;
    std::vector<double> plain(k * k, 0.0), lanes(k <= WIDE ? k * k * LANES : 0, 0.0), store;
    const bool positive = c.positive();
    Sum llf;
    Kept kept;
    bool possible = true, in_logs = false;
    with_width(k, [&](auto w) {
        std::vector<Work<decltype(w)>> work;
        if (positive) work.emplace_back(w, c);
        for (int s = 0; s < c.sequences && possible; ++s) {
            const std::int64_t first = c.offsets[s], end = c.offsets[s + 1];
            const Output nothing{};
            if (positive && sure_start(c, s) && smooth_positive(w, c, s, first, end, work[0], store, lanes, out, &llf))
                continue;
            possible = run_exact(c, s, first, end, &kept, nothing, &llf, period, &in_logs) == Ended::well;
            if (!possible) break;
            if (in_logs) back_logs(c, s, first, end, kept, plain.data(), out);
            else back_scaled(c, s, first, end, kept, plain.data(), out);
        }
        if (positive)
            for (int i = 0; i < k; ++i)
                for (int j = 0; j < k; ++j) plain[i * k + j] += work[0].sums[i * w + j];
    });
    if (!possible) return NO;
    for (int i = 0; !c.varies && i < k * k; ++i) {
        for (int lane = 0; lane < LANES && !lanes.empty(); ++lane) plain[i] += lanes[i * LANES + lane];
        out.d_transition[i] = plain[i];
    }
    return llf.value();
}

inline int highest(int k, const double *heights) {
    int best = 0;
    for (int j = 1; j < k; ++j)
        if (heights[j] > heights[best]) best = j;
    return best;
}

// One dense transition matrix in logarithms: padded, its transpose padded, and as it is.
template <class W>
struct LogMatrix {
    std::vector<double> padded, turned, square;
    LogMatrix(W w, const Chain &c) : padded(w * w, NO), turned(w * w, NO), square(c.k * c.k) {
        for (int i = 0; i < c.k; ++i)
            for (int j = 0; j < c.k; ++j)
                padded[i * w + j] = turned[j * w + i] = square[i * c.k + j] = std::log(c.transition[i * c.k + j]);
    }
};

// Most likely path of one sequence that forgets, two to eight states. False: it does not, or there is no path.
template <class W>
bool viterbi_stretches(W w, const Chain &c, int s, std::int64_t first, std::int64_t end, const LogMatrix<W> &logs,
                       std::int64_t *path, double *height) {
    const Stretches parts(c, first, end);
    if (parts.rows == 0) return false;
    Row<W> heights_(w);
    double *heights = heights_.data();
    const double *l = c.density(first + 1);
    Cuts cuts;
    Sum offset;
    packed_rows(w, c, s, true, first, first + 1, logs.padded.data(), heights, &offset, path);
    const bool good = with_stretches(c.k, [&](auto K) {
        constexpr int k = decltype(K)::value;
        if (!forget_heights<k>(l, parts.rows, logs.square.data(), cuts.data())) return false;
        cuts.pass_on(k, heights);
        return stretch_pack<k>(l, parts.rows, logs.square.data(), cuts.data(), &offset, path + first + 1);
    });
    if (!good) return false;
    cuts.take(c.k, LANES - 1, heights);
    packed_rows(w, c, s, false, parts.tail, end, logs.padded.data(), heights, &offset, path);
    int state = highest(c.k, heights);
    const double last = heights[state];
    if (!(last > NO)) return false;
    offset.add(last);
    *height = offset.value();
    state = unpack(parts.tail, end, state, path);
    with_stretches(c.k, [&](auto K) {
        state = stretch_unpack<decltype(K)::value>(parts.rows, state, path + first + 1);
        return true;
    });
    path[first] = state;
    return true;
}

// Most likely path of one sequence, at most eight states.
template <class W>
double viterbi_few(W w, const Chain &c, int s, std::int64_t first, std::int64_t end, const LogMatrix<W> &logs,
                   std::int64_t *path) {
    double height;
    if (viterbi_stretches(w, c, s, first, end, logs, path, &height)) return height;
    Parts parts(c, first, end);
    const int k = c.k;
    Row<W> heights_(w);
    double *heights = heights_.data();
    Sum offset;
    packed_rows(w, c, s, true, first, first + 1, logs.padded.data(), heights, &offset, path);
    const bool lanes = with_lanes(k, [&](auto K) {
        for (std::int64_t t = first + 1; t < parts.tail; t += SPAN)
            if (!span_pack<decltype(K)::value>(c.density(t), logs.square.data(), heights, &offset, path + t)) return false;
        return true;
    });
    if (!lanes) { // more states, or no path; from the start
        parts.tail = first + 1;
        offset = Sum();
        packed_rows(w, c, s, true, first, first + 1, logs.padded.data(), heights, &offset, path);
    }
    packed_rows(w, c, s, false, parts.tail, end, logs.padded.data(), heights, &offset, path);
    int state = highest(k, heights);
    const double last = heights[state];
    state = unpack(parts.tail, end, state, path);
    with_lanes(k, [&](auto K) {
        for (std::int64_t t = parts.tail - SPAN; t > first; t -= SPAN)
            state = span_unpack<decltype(K)::value>(state, path + t);
        return true;
    });
    path[first] = state;
    if (!(last > NO)) return NO;
    offset.add(last);
    return offset.value();
}

// Most likely path of one sequence, many states: heights are kept at every PIECE rows, and those between
// computed again on the way back.
template <class W>
double viterbi_many(W w, const Chain &c, int s, std::int64_t first, std::int64_t end, const LogMatrix<W> &logs,
                    std::vector<double> &store, std::vector<double> &heights, std::int64_t *path) {
    constexpr int PIECE = CHUNK * BLOCK;
    const std::int64_t pieces = (end - first + PIECE - 1) / PIECE;
    Sum offset;
    store.resize((pieces + 1) * w);
    heights.resize(PIECE * w);
    const auto run = [&](std::int64_t i) {
        const std::int64_t t = first + i * PIECE, stop = end - t < PIECE ? end : t + PIECE;
        const double taken =
            height_rows(w, c, s, i == 0, t, stop, store.data() + i * w, logs.padded.data(), heights.data());
        std::memcpy(store.data() + (i + 1) * w, heights.data() + (stop - 1 - t) * w, sizeof(double) * w);
        return taken;
    };
    for (std::int64_t i = 0; i < pieces; ++i) offset.add(run(i));
    const double *last = store.data() + pieces * w;
    int state = highest(c.k, last);
    const double height = last[state];
    for (std::int64_t i = pieces - 1; i >= 0; --i) {
        const std::int64_t t = first + i * PIECE, stop = end - t < PIECE ? end : t + PIECE;
        if (i < pieces - 1) run(i);
        state = way_back(w, i == 0, t, stop, store.data() + i * w, logs.turned.data(), heights.data(), state, path);
    }
    if (!(height > NO)) return NO;
    offset.add(height);
    return offset.value();
}

inline void run_viterbi(const Chain &c, std::int64_t *path, double *heights) {
    if (c.varies || c.block > 1) {
        for (int s = 0; s < c.sequences; ++s)
            heights[s] = viterbi_exact(c, s, c.offsets[s], c.offsets[s + 1], path);
        return;
    }
    with_width(c.k, [&](auto w) {
        const LogMatrix<decltype(w)> logs(w, c);
        std::vector<double> store, rows;
        for (int s = 0; s < c.sequences; ++s) {
            const std::int64_t first = c.offsets[s], end = c.offsets[s + 1];
            if constexpr (decltype(w)::value > 0 && decltype(w)::value <= 8)
                heights[s] = viterbi_few(w, c, s, first, end, logs, path);
            else
                heights[s] = viterbi_many(w, c, s, first, end, logs, store, rows, path);
        }
    });
}

} // namespace markov
} // namespace rnnstats
