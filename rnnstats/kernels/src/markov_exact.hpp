// Any chain: zero and varying transitions, chains that remember earlier regimes. Row by row, scaled as
// long as that is exact, in logarithms where it is not (see markov_chain.hpp).
#pragma once

#include "markov_chain.hpp"

namespace rnnstats {
namespace markov {

// What the forward pass keeps for the backward pass: filtered probabilities, and densities relative to
// the row's, both in logarithms after `run_logs`.
struct Kept {
    std::vector<double> filtered, relative;
};

// to_j = sum_i from_i P_ij.
RNNSTATS_VECTOR_CLONES inline void move(const Chain &c, const double *P, const double *from, double *to) {
    const int k = c.k, block = c.block, part = block / k;
    if (block == 1) {
        for (int j = 0; j < k; ++j) to[j] = from[0] * P[j];
        for (int i = 1; i < k; ++i)
            for (int j = 0; j < k; ++j) to[j] += from[i] * P[i * k + j];
        return;
    }
    for (int h = 0, r = 0; h < k; ++h)
        for (int stop = r + part; r < stop; ++r) {
            double sum = from[r * k];
            for (int o = 1; o < k; ++o) sum += from[r * k + o];
            for (int j = 0; j < k; ++j) to[j * block + r] = sum * P[h * k + j];
        }
}

// to_i = sum_j P_ij from_j.
RNNSTATS_VECTOR_CLONES inline void move_back(const Chain &c, const double *P, const double *from, double *to) {
    const int k = c.k, block = c.block, part = block / k;
    if (block == 1) {
        for (int i = 0; i < k; ++i) {
            double sum = 0.0;
            RNNSTATS_SIMD_SUM(sum)
            for (int j = 0; j < k; ++j) sum += P[i * k + j] * from[j];
            to[i] = sum;
        }
        return;
    }
    for (int h = 0, r = 0; h < k; ++h)
        for (int stop = r + part; r < stop; ++r) {
            double sum = 0.0;
            for (int j = 0; j < k; ++j) sum += P[h * k + j] * from[j * block + r];
            for (int o = 0; o < k; ++o) to[r * k + o] = sum;
        }
}

// to_hj += sum over the steps of all states from regime h to j of past_i weight_j.
inline void count(const Chain &c, const double *past, const double *weight, double *to) {
    const int k = c.k, block = c.block, part = block / k;
    if (block == 1) {
        for (int i = 0; i < k; ++i)
            for (int j = 0; j < k; ++j) to[i * k + j] += past[i] * weight[j];
        return;
    }
    for (int h = 0, r = 0; h < k; ++h)
        for (int stop = r + part; r < stop; ++r) {
            double sum = past[r * k];
            for (int o = 1; o < k; ++o) sum += past[r * k + o];
            for (int j = 0; j < k; ++j) to[h * k + j] += sum * weight[j * block + r];
        }
}

// States that may come before state j, and the element of the transition that leads from each.
inline int before(const Chain &c, int j, int o) { return (j % c.block) * c.k + o; }
inline int after(const Chain &c, int i, int j) { return j * c.block + i / c.k; }
inline int element(const Chain &c, int i, int j) { return (i / c.block) * c.k + j / c.block; }

// Forward pass of one sequence, scaled. `lost`: some weight may have been stored as zero that matters.
inline Ended run_scaled(const Chain &c, int s, std::int64_t first, std::int64_t end, Kept *kept, const Output &out,
                        Sum *llf, std::int64_t *period) {
    const int size = c.states();
    std::vector<double> now(size), next(size), reach(size), ahead(size);
    bool settled = false;
    for (std::int64_t t = first; t < end; ++t) {
        const double *l = c.density(t);
        if (t == first) {
            std::memcpy(next.data(), c.start + static_cast<std::int64_t>(s) * size, sizeof(double) * size);
            for (int j = 0; j < size; ++j) reach[j] = next[j] > 0.0 ? 1.0 : 0.0;
        } else {
            move(c, c.into(t), now.data(), next.data());
            if (!settled) {
                move(c, c.into(t), reach.data(), ahead.data());
                settled = !c.varies;
                for (int j = 0; j < size; ++j) {
                    const double can = ahead[j] > 0.0 ? 1.0 : 0.0;
                    settled = settled && can == reach[j];
                    reach[j] = can;
                }
            }
        }
        double top = NO;
        for (int j = 0; j < size; ++j) {
            if (reach[j] == 0.0) continue;
            if (!(next[j] > FLOOR)) return Ended::lost;
            if (l[j] > top) top = l[j];
        }
        if (out.predicted) std::memcpy(out.predicted + t * size, next.data(), sizeof(double) * size);
        if (top == NO) {
            *period = t;
            blank(out, size, t, end);
            return Ended::impossible;
        }
        double sum = 0.0;
        double *relative = kept ? kept->relative.data() + (t - first) * size : ahead.data();
        for (int j = 0; j < size; ++j) {
            const double gap = l[j] - top;
            relative[j] = std::exp(gap < LARGEST ? gap : LARGEST);
            now[j] = reach[j] > 0.0 ? next[j] * relative[j] : 0.0;
            sum += now[j];
            if (reach[j] > 0.0 && l[j] == NO) {
                reach[j] = 0.0;
                settled = false;
            }
        }
        for (int j = 0; j < size; ++j) now[j] /= sum;
        if (kept) {
            for (int j = 0; j < size; ++j) relative[j] /= sum;
            std::memcpy(kept->filtered.data() + (t - first) * size, now.data(), sizeof(double) * size);
        }
        const double row = top + std::log(sum);
        if (out.llf_obs) out.llf_obs[t] = row;
        if (out.filtered) std::memcpy(out.filtered + t * size, now.data(), sizeof(double) * size);
        if (out.log_filtered)
            for (int j = 0; j < size; ++j)
                out.log_filtered[t * size + j] = next[j] > 0.0 ? std::log(next[j]) + l[j] - row : NO;
        llf->add(row);
    }
    return Ended::well;
}

// Backward pass of one sequence after `run_scaled`; sums (k, k) is added to.
inline void back_scaled(const Chain &c, int s, std::int64_t first, std::int64_t end, const Kept &kept, double *sums,
                        const Output &out) {
    const int k = c.k, size = c.states();
    std::vector<double> beta(size, 1.0), weight(size), steps(k * k);
    for (std::int64_t t = end - 1; t >= first; --t) {
        const double *filtered = kept.filtered.data() + (t - first) * size;
        const double *relative = kept.relative.data() + (t - first) * size;
        for (int j = 0; j < size; ++j) {
            out.smoothed[t * size + j] = filtered[j] * beta[j];
            weight[j] = relative[j] * beta[j];
            weight[j] = weight[j] < HUGE_SLOPE ? weight[j] : HUGE_SLOPE;
        }
        if (t == first) {
            std::memcpy(out.d_start + static_cast<std::int64_t>(s) * size, weight.data(), sizeof(double) * size);
            return;
        }
        const double *P = c.into(t);
        if (c.varies || out.joint) {
            std::fill(steps.begin(), steps.end(), 0.0);
            count(c, filtered - size, weight.data(), steps.data());
            for (int i = 0; i < k * k; ++i) {
                if (c.varies) out.d_transition[t * k * k + i] = steps[i];
                else sums[i] += steps[i];
                if (out.joint) out.joint[t * k * k + i] = steps[i] * P[i];
            }
        } else {
            count(c, filtered - size, weight.data(), sums);
        }
        move_back(c, P, weight.data(), beta.data());
    }
}

// Logarithm of the sum of the exponentials of n numbers.
RNNSTATS_VECTOR_CLONES inline double log_sum(const double *x, int n) {
    double top = NO, sum = 0.0;
    for (int i = 0; i < n; ++i) top = x[i] > top ? x[i] : top;
    if (top == NO) return NO;
    int i = 0;
    Vec parts = simd::splat(0.0);
    for (; i + LANES <= n; i += LANES) parts += simd::exp_negative(simd::load(x + i) - top);
    if (n >= LANES) sum = simd::sum_of(parts);
    for (; i < n; ++i) sum += std::exp(x[i] - top);
    return top + std::log(sum);
}

inline double bounded_exp(double x) { return std::exp(x < LARGEST ? x : LARGEST); }

// Transition into a row in logarithms, taken again only where it varies.
struct Logs {
    std::vector<double> P;
    explicit Logs(const Chain &c) : P(c.k * c.k) { read(c, c.transition); }
    void read(const Chain &c, const double *from) {
        for (int i = 0; i < c.k * c.k; ++i) P[i] = std::log(from[i]);
    }
    void at(const Chain &c, std::int64_t t) {
        if (c.varies) read(c, c.into(t));
    }
};

// Forward pass of one sequence in logarithms.
inline Ended run_logs(const Chain &c, int s, std::int64_t first, std::int64_t end, Kept *kept, const Output &out,
                      Sum *llf, std::int64_t *period) {
    const int k = c.k, size = c.states();
    std::vector<double> now(size), next(size), terms(k);
    Logs logs(c);
    if (out.logs) *out.logs = true;
    for (std::int64_t t = first; t < end; ++t) {
        const double *l = c.density(t);
        logs.at(c, t);
        for (int j = 0; j < size; ++j) {
            if (t == first) {
                next[j] = std::log(c.start[static_cast<std::int64_t>(s) * size + j]);
                continue;
            }
            for (int o = 0; o < k; ++o) {
                const int i = before(c, j, o);
                terms[o] = now[i] + logs.P[element(c, i, j)];
            }
            next[j] = log_sum(terms.data(), k);
        }
        for (int j = 0; j < size; ++j) {
            if (out.predicted) out.predicted[t * size + j] = std::exp(next[j]);
            now[j] = next[j] == NO ? NO : next[j] + l[j];
        }
        const double row = log_sum(now.data(), size);
        if (row == NO || row != row) {
            *period = t;
            blank(out, size, t, end);
            return Ended::impossible;
        }
        for (int j = 0; j < size; ++j) {
            now[j] -= row;
            if (out.filtered) out.filtered[t * size + j] = std::exp(now[j]);
            if (out.log_filtered) out.log_filtered[t * size + j] = now[j];
            if (kept) {
                kept->filtered[(t - first) * size + j] = now[j];
                kept->relative[(t - first) * size + j] = l[j] - row;
            }
        }
        if (out.llf_obs) out.llf_obs[t] = row;
        llf->add(row);
    }
    return Ended::well;
}

// Backward pass of one sequence after `run_logs`.
inline void back_logs(const Chain &c, int s, std::int64_t first, std::int64_t end, const Kept &kept, double *sums,
                      const Output &out) {
    const int k = c.k, size = c.states();
    std::vector<double> beta(size, 0.0), weight(size), terms(k), steps(k * k);
    Logs logs(c);
    for (std::int64_t t = end - 1; t >= first; --t) {
        const double *filtered = kept.filtered.data() + (t - first) * size;
        const double *relative = kept.relative.data() + (t - first) * size;
        for (int j = 0; j < size; ++j) {
            out.smoothed[t * size + j] = std::exp(filtered[j] + beta[j]);
            weight[j] = relative[j] == NO ? NO : relative[j] + beta[j];
        }
        if (t == first) {
            for (int j = 0; j < size; ++j)
                out.d_start[static_cast<std::int64_t>(s) * size + j] = bounded_exp(weight[j]);
            return;
        }
        logs.at(c, t);
        std::fill(steps.begin(), steps.end(), 0.0);
        for (int i = 0; i < size; ++i)
            for (int j = 0; j < k; ++j) {
                const double to = weight[after(c, i, j)];
                const int at = (i / c.block) * k + j;
                const double past = (filtered - size)[i];
                if (past > NO && to > NO) {
                    steps[at] += bounded_exp(past + to);
                    if (out.joint) out.joint[t * k * k + at] += std::exp(past + logs.P[at] + to);
                }
            }
        for (int i = 0; i < k * k; ++i) {
            if (c.varies) out.d_transition[t * k * k + i] = steps[i];
            else sums[i] += steps[i];
        }
        for (int i = 0; i < size; ++i) {
            for (int j = 0; j < k; ++j) terms[j] = logs.P[(i / c.block) * k + j] + weight[after(c, i, j)];
            beta[i] = log_sum(terms.data(), k);
        }
    }
}

// Forward pass of one sequence by whatever is exact.
inline Ended run_exact(const Chain &c, int s, std::int64_t first, std::int64_t end, Kept *kept, const Output &out,
                       Sum *llf, std::int64_t *period, bool *in_logs) {
    const int size = c.states();
    if (kept && kept->filtered.size() < static_cast<std::size_t>((end - first) * size)) {
        kept->filtered.resize((end - first) * size);
        kept->relative.resize((end - first) * size);
    }
    Sum part = *llf;
    *in_logs = false;
    Ended ended = run_scaled(c, s, first, end, kept, out, &part, period);
    if (ended == Ended::lost) {
        *in_logs = true;
        part = *llf;
        ended = run_logs(c, s, first, end, kept, out, &part, period);
    }
    *llf = part;
    return ended;
}

// Most likely path of one sequence, and its log joint density.
inline double viterbi_exact(const Chain &c, int s, std::int64_t first, std::int64_t end, std::int64_t *path) {
    const int k = c.k, size = c.states();
    std::vector<double> now(size), next(size);
    std::vector<std::int32_t> came(static_cast<std::size_t>(end - first) * size);
    Logs logs(c);
    Sum height;
    for (int j = 0; j < size; ++j)
        now[j] = std::log(c.start[static_cast<std::int64_t>(s) * size + j]) + c.density(first)[j];
    for (std::int64_t t = first + 1; t < end; ++t) {
        logs.at(c, t);
        double top = NO;
        for (int j = 0; j < size; ++j) {
            int from = before(c, j, 0);
            double best = now[from] + logs.P[element(c, from, j)];
            for (int o = 1; o < k; ++o) {
                const int i = before(c, j, o);
                const double way = now[i] + logs.P[element(c, i, j)];
                from = way > best ? i : from;
                best = way > best ? way : best;
            }
            came[(t - first) * size + j] = from;
            next[j] = best + c.density(t)[j];
            top = next[j] > top ? next[j] : top;
        }
        if (top > NO) { // heights relative to the row's: small numbers keep their last digits
            height.add(top);
            for (int j = 0; j < size; ++j) next[j] -= top;
        }
        now.swap(next);
    }
    int best = 0;
    for (int j = 1; j < size; ++j)
        if (now[j] > now[best]) best = j;
    const double last = now[best];
    path[end - 1] = best;
    for (std::int64_t t = end - 2; t >= first; --t) path[t] = best = came[(t + 1 - first) * size + best];
    if (!(last > NO)) return NO;
    height.add(last);
    return height.value();
}

// Paths given all rows; uniforms and paths have shape (number, n); `logs`: filtered is in logarithms.
inline void sample_paths(const Chain &c, std::int64_t n, const double *filtered, bool logs, int number,
                         const double *uniforms, std::int64_t *paths) {
    const int k = c.k, size = c.states();
    std::vector<double> sums(size);
    for (int r = 0; r < number; ++r)
        for (int s = 0; s < c.sequences; ++s)
            for (std::int64_t t = c.offsets[s + 1] - 1; t >= c.offsets[s]; --t) {
                const bool last = t == c.offsets[s + 1] - 1;
                const int ahead = last ? 0 : static_cast<int>(paths[r * n + t + 1]), ways = last ? size : k;
                const double *P = last ? nullptr : c.into(t + 1);
                double top = NO, sum = 0.0;
                for (int o = 0; o < ways; ++o) {
                    const int i = last ? o : before(c, ahead, o);
                    const double p = last ? 1.0 : P[element(c, i, ahead)], f = filtered[t * size + i];
                    sums[o] = logs ? f + std::log(p) : f * p;
                    top = sums[o] > top ? sums[o] : top;
                }
                for (int o = 0; o < ways; ++o) {
                    sum += logs ? std::exp(sums[o] - top) : sums[o];
                    sums[o] = sum;
                }
                const double level = uniforms[r * n + t] * sum;
                int o = 0;
                while (o < ways - 1 && !(sums[o] > level)) ++o;
                paths[r * n + t] = last ? o : before(c, ahead, o);
            }
}

} // namespace markov
} // namespace rnnstats
