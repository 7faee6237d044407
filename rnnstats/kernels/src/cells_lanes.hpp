// Many reverse passes, or many paths, side by side: lanes of the vectors are passes or paths.
//
// Derivatives of every row's own function, exactly, at less than the cost of carrying the sensitivities of the
// state forward: time is cut into blocks. Each row of a block has a reverse pass down to the block's first row, and
// what lies before comes from the sensitivities S of the state there, (states x weights): adjoint times S. S of the
// next block comes from one reverse pass a state through this block, and S. In multiplications, a row costs
// r (B + K) + 2 K + K^2 / B times the number of weights, with blocks of B rows, K states and r functions a row: some
// 5 K where r = 1. (The score costs 3 times that number; carrying S forward row by row, K^2 and more.)
//
// Where a prediction stood in for a missing input, an eta up to `longest` rows back counts as a state too.
#pragma once

#include "cells_run.hpp"

namespace rnnstats {
namespace cells {

// sum [column] += sum over rows of W [row][column] d [row], N columns.
template <int N>
RNNSTATS_INLINE void columns_tile(const double *W, const double *d, int rows, int kzp, Vec *sum) {
    for (int r = 0; r < rows; ++r, W += kzp) {
        const Vec one = simd::load(d + r * LANES);
        RNNSTATS_UNROLL
        for (int x = 0; x < N; ++x) sum[x] += one * W[x];
    }
}
// A stage's rows, but not those of gates that have zeros in these columns.
template <int N>
RNNSTATS_INLINE void columns_of(const Layer &l, int stage, const double *W, const double *d, int c, double *out) {
    Vec sum[N];
    RNNSTATS_UNROLL
    for (int x = 0; x < N; ++x) sum[x] = simd::splat(0.0);
    for (int g = 0; g < l.stage[stage].gates;) {
        int next = g; // gates g to next in one go
        while (next < l.stage[stage].gates && l.place(stage, next).low < c + N && l.place(stage, next).high > c) ++next;
        columns_tile<N>(W + static_cast<long>(g) * l.units * l.kzp + c, d + static_cast<long>(g) * l.units * LANES,
                        (next - g) * l.units, l.kzp, sum);
        g = next + 1;
    }
    RNNSTATS_UNROLL
    for (int x = 0; x < N; ++x) simd::store(out + (c + x) * LANES, sum[x]);
}
// All columns but the constant's.
RNNSTATS_INLINE void turn_lanes(const Layer &l, int stage, const double *w, const double *d, double *out) {
    const double *W = w + l.stage[stage].plain;
    int c = 0;
    for (; c + 4 < l.kz - 1; c += LANES) columns_of<LANES>(l, stage, W, d, c, out);
    if (c < l.kz - 1) columns_of<4>(l, stage, W, d, c, out);
}

// Places in a bundle's buffers.
struct Bundle {
    std::vector<long> rows_at; // [layer * 2 + stage]: first row of da
    int rows = 0, widest = 0;

    explicit Bundle(const Network &net) {
        for (const Layer &l : net.layers) {
            for (int s = 0; s < 2; ++s) {
                rows_at.push_back(rows);
                rows += l.stage[s].gates * l.units;
            }
            widest = std::max(widest, l.kzp);
        }
    }
};

// One layer and row back, eight passes: A are the adjoints of the state [state][lane], dz those of what it has seen.
template <class C>
RNNSTATS_INLINE void lanes_layer_back(const Layer &l, const double *w, const double *row, double *A, double *da,
                                      double *da_late, double *dz, double *dq) {
    const int u = l.units;
    double *H = A + l.state * LANES, *M = H + static_cast<long>(u) * LANES;
    const double *saved_at = row + l.save;
    const int wide = l.wide();
    if constexpr (C::late > 0) {
        for (int i = 0; i < u; ++i) {
            Vec saved[C::saved], d[C::late];
            for (int j = C::saved_first; j < C::saved; ++j) saved[j] = simd::splat(saved_at[j * wide + i]);
            C::adjoint_late(saved, simd::load(H + i * LANES), d);
            for (int g = 0; g < C::late; ++g) simd::store(da_late + (g * u + i) * LANES, d[g]);
        }
        turn_lanes(l, 1, w, da_late, dq);
    }
    for (int i = 0; i < u; ++i) {
        Vec saved[C::saved], d[C::first], p[C::numbers + 1], direct, earlier;
        const Vec slope = simd::load(H + i * LANES);
        RNNSTATS_UNROLL
        for (int j = 0; j < C::saved; ++j) saved[j] = simd::splat(saved_at[j * wide + i]);
        if constexpr (C::late > 0) {
            C::adjoint_first(saved, slope, simd::load(dq + i * LANES), d, &direct);
        } else {
            for (int j = 0; j < C::numbers; ++j) p[j] = simd::splat(w[l.p + j * wide + i]);
            C::adjoint(saved, p, slope, C::memory ? simd::load(M + i * LANES) : slope, d, &direct, &earlier);
            if constexpr (C::memory) simd::store(M + i * LANES, earlier);
        }
        RNNSTATS_UNROLL
        for (int g = 0; g < C::first; ++g) simd::store(da + (g * u + i) * LANES, d[g]);
        simd::store(H + i * LANES, direct);
    }
    turn_lanes(l, 0, w, da, dz);
    for (int i = 0; i < u; ++i) simd::store(H + i * LANES, simd::load(H + i * LANES) + simd::load(dz + i * LANES));
    if constexpr (C::late > 0)
        for (int j = u; j < l.kz - 1; ++j)
            simd::store(dz + j * LANES, simd::load(dz + j * LANES) + simd::load(dq + j * LANES));
}

// A row back, eight passes. eta: adjoints [eta][lane] of the row's eta; by_inputs [input][lane]: set.
RNNSTATS_INLINE void lanes_back(const Network &net, const Bundle &at, const double *w, const double *weights,
                                const double *row, const double *eta, double *A, double *da, double *dz,
                                double *by_inputs) {
    const Layer &top = net.last();
    for (int j = 0; j < net.k_in; ++j) simd::store(by_inputs + j * LANES, simd::splat(0.0));
    for (int k = 0; k < net.k_eta; ++k) {
        const Vec d = simd::load(eta + k * LANES);
        const double *v = w + net.top + static_cast<long>(k) * top.wide();
        double *H = A + top.state * LANES;
        for (int i = 0; i < top.units; ++i) simd::store(H + i * LANES, simd::load(H + i * LANES) + d * v[i]);
        if (net.skip)
            for (int j = 0; j < net.k_in; ++j)
                simd::store(by_inputs + j * LANES,
                            simd::load(by_inputs + j * LANES) + d * weights[net.direct + k * net.k_in + j]);
    }
    for (int i = static_cast<int>(net.layers.size()) - 1; i >= 0; --i) {
        const Layer &l = net.layers[i];
        double *one = da + at.rows_at[2 * i] * LANES, *late = da + at.rows_at[2 * i + 1] * LANES;
        RNNSTATS_WITH_CELL(l.kind, lanes_layer_back<C>(l, w, row, A, one, late, dz,
                                                       dz + static_cast<long>(at.widest) * LANES);)
        double *to = i ? A + net.layers[i - 1].state * LANES : by_inputs;
        for (int j = 0; j < l.k_in; ++j)
            simd::store(to + j * LANES, simd::load(to + j * LANES) + simd::load(dz + (l.units + j) * LANES));
    }
}

// sum over rows of d [lane] z [column], N columns, transposed: out[lane] has the columns.
template <int N>
RNNSTATS_INLINE void outer_columns(const double *d, long step, const double *z, long stride, int rows, Vec *out) {
    RNNSTATS_UNROLL
    for (int x = 0; x < LANES; ++x) out[x] = simd::splat(0.0);
    for (int t = 0; t < rows; ++t, d += step, z += stride) {
        const Vec one = simd::load(d);
        RNNSTATS_UNROLL
        for (int x = 0; x < N; ++x) out[x] += one * z[x];
    }
    simd::transpose(out);
}
RNNSTATS_INLINE void outer_lanes(int columns, const double *d, long step, const double *z, long stride, int rows,
                                 Vec *out) {
    if (columns > 4) outer_columns<LANES>(d, step, z, stride, rows, out);
    else outer_columns<4>(d, step, z, stride, rows, out);
}

// Elements low to high (of eight) of each lane's vector to the lane's target, at `at` of its first element.
RNNSTATS_INLINE void put_lanes(const Vec *x, double *const *targets, int lanes, long at, int low, int high) {
    if (lanes == LANES && low == 0 && high == LANES) {
        RNNSTATS_UNROLL
        for (int lane = 0; lane < LANES; ++lane) simd::store(targets[lane] + at, x[lane]);
        return;
    }
    for (int lane = 0; lane < lanes; ++lane) {
        double part[LANES];
        if (low == 0 && high == LANES) simd::store(targets[lane] + at, x[lane]);
        else {
            simd::store(part, x[lane]);
            for (int c = low; c < high; ++c) targets[lane][at + c] = part[c];
        }
    }
}

// Derivatives of rows' functions; goes through the rows in turn and keeps S.
struct Sweep {
    const Run &run;
    const Network &net;
    const double *weights;
    const double *seeds; // (n, r, k_eta), or null: each eta is a function, r = k_eta
    int r, K, slots, limit;
    long columns, wide;
    Bundle at;
    Buffer w, S, next, strip, A, eta, da, dz, by_inputs; // A of all groups of passes, eta and da of one
    int sequence = 0;

    Sweep(const Run &all, const double *numbers, const double *functions, int a_row)
        : run(all), net(all.net), weights(numbers), seeds(functions), r(a_row), slots(static_cast<int>(all.longest)),
          columns(all.net.columns()), wide(padded(all.net.columns())), at(all.net) {
        K = net.k_state + slots * net.k_eta;
        const long best = padded(static_cast<long>(1.5 * K / std::sqrt(static_cast<double>(r)))); // measured
        limit = static_cast<int>(std::max(16L, std::min(64L, best)));
        pack(net, weights, Pass::plain, &w);
        const long groups = (padded(K) + padded(static_cast<long>(limit) * r)) / LANES;
        S.resize(static_cast<std::size_t>(K * wide));
        next.resize(static_cast<std::size_t>(K * wide));
        strip.resize(static_cast<std::size_t>(K * LANES));
        A.resize(static_cast<std::size_t>(groups * K * LANES));
        eta.resize(static_cast<std::size_t>(limit * net.k_eta * LANES));
        da.resize(static_cast<std::size_t>(limit * (at.rows + 1) * LANES), false);
        dz.resize(static_cast<std::size_t>(2 * at.widest * LANES));
        by_inputs.resize(static_cast<std::size_t>((net.k_in + 1) * LANES));
    }

    // Rows `from` to `to`, which begin where the call before ended; out (to - from, r, columns).
    void rows(std::int64_t from, std::int64_t to, double *out) {
        while (from < to) {
            while (run.offsets[sequence + 1] <= from) ++sequence;
            const std::int64_t last = run.offsets[sequence + 1];
            const std::int64_t end = std::min<std::int64_t>({from + limit, last, to});
            block(from, end, end < last, out);
            out += (end - from) * r * columns;
            from = end;
        }
    }

    double *adjoints(int group) const { return A.at + static_cast<long>(group) * K * LANES; }

private:
    // Passes of a block: first one a state, where S is wanted at its end, padded to whole groups; then those of the
    // rows' functions, the last row first.
    struct Block {
        std::int64_t first, end;
        int units, groups; // groups of passes a state, and all
        bool begins;
    };
    // A group of up to eight passes: its rows are the block's first ones; where its derivatives go.
    struct Group {
        int lanes = 0, rows = 0;
        double *targets[LANES];
    };

    void block(std::int64_t first, std::int64_t end, bool more, double *out);
    Group seed(const Block &b, int group, double *out);
};

inline Sweep::Group Sweep::seed(const Block &b, int group, double *out) {
    const int rows = static_cast<int>(b.end - b.first), k_eta = net.k_eta;
    double *state = adjoints(group);
    std::fill(state, state + static_cast<long>(K) * LANES, 0.0);
    std::fill(eta.at, eta.at + static_cast<long>(rows) * k_eta * LANES, 0.0);
    Group g;
    g.rows = rows;
    for (int lane = 0; lane < LANES; ++lane) {
        if (group < b.units) {
            const int pass = group * LANES + lane;
            const int slot = (pass - net.k_state) / k_eta, k = (pass - net.k_state) % k_eta;
            if (pass >= K) break;
            g.targets[g.lanes++] = next.at + pass * wide;
            if (pass < net.k_state) state[pass * LANES + lane] = 1.0;
            else if (slot < rows) eta.at[((rows - 1 - slot) * k_eta + k) * LANES + lane] = 1.0;
            else state[(net.k_state + (slot - rows) * k_eta + k) * LANES + lane] = 1.0;
        } else {
            const long pass = static_cast<long>(group - b.units) * LANES + lane;
            const int row = rows - 1 - static_cast<int>(pass / r), x = static_cast<int>(pass % r);
            if (row < 0) break;
            if (lane == 0) g.rows = row + 1;
            g.targets[g.lanes++] = out + (static_cast<long>(row) * r + x) * columns;
            for (int k = 0; k < k_eta; ++k)
                eta.at[(row * k_eta + k) * LANES + lane] =
                    seeds ? seeds[((b.first + row) * r + x) * k_eta + k] : k == x;
        }
    }
    // the weights' derivatives are set, not added to
    for (int lane = 0; lane < g.lanes; ++lane)
        std::fill(g.targets[lane] + net.size, g.targets[lane] + columns, 0.0);
    return g;
}

RNNSTATS_CELLS_CLONES inline void sweep_back(Sweep &s, std::int64_t b, int rows, int group) {
    const Run &run = s.run;
    const Network &net = s.net;
    const int k_eta = net.k_eta;
    std::vector<double> seen(k_eta);
    double *A = s.adjoints(group), *eta = s.eta.at;
    for (std::int64_t t = b + rows - 1; t >= b; --t) {
        lanes_back(net, s.at, s.w.at, s.weights, run.row(t), eta + (t - b) * k_eta * LANES, A,
                   s.da.at + (t - b) * (s.at.rows + 1) * LANES, s.dz.at, s.by_inputs.at);
        for (int i = 0; i < run.feedback.count; ++i)
            if (run.gap(t, i)) {
                const std::int64_t past = t - run.feedback.lags[i];
                double *to = past >= b ? eta + (past - b) * k_eta * LANES
                                       : A + (net.k_state + (b - 1 - past) * k_eta) * LANES;
                run.feedback.slopes(i, run.eta_at(past, s.sequence), k_eta, seen.data());
                const Vec owed = simd::load(s.by_inputs.at + run.feedback.columns[i] * LANES);
                for (int k = 0; k < k_eta; ++k)
                    simd::store(to + k * LANES, simd::load(to + k * LANES) + owed * seen[k]);
            }
    }
}

// Derivatives by the weights within the block, through its first `rows` rows.
RNNSTATS_CELLS_CLONES inline void sweep_outer(Sweep &s, std::int64_t b, int rows, double *const *targets, int lanes) {
    const Run &run = s.run;
    const Network &net = s.net;
    const long step = static_cast<long>(s.at.rows + 1) * LANES, stride = net.stride;
    const double *da = s.da.at, *row = run.row(b);
    Vec x[LANES];
    for (std::size_t i = 0; i < net.layers.size(); ++i) {
        const Layer &l = net.layers[i];
        for (int stage = 0; stage < l.stages; ++stage)
            for (int g = 0; g < l.stage[stage].gates; ++g) {
                const Place place = l.place(stage, g);
                for (int unit = 0; unit < l.units; ++unit) {
                    const double *d = da + (s.at.rows_at[2 * i + stage] + g * l.units + unit) * LANES;
                    const long flat = l.matrix + static_cast<long>(place.gate * l.units + unit) * l.kz;
                    for (int c = place.low / LANES * LANES; c < place.high; c += LANES) {
                        outer_lanes(place.high - c, d, step, row + l.stage[stage].z + c, stride, rows, x);
                        const int low = std::max(0, place.low - c), high = std::min(LANES, place.high - c);
                        put_lanes(x, targets, lanes, flat + c, low, high);
                    }
                    if (place.constant_extra) {
                        Vec sum = simd::splat(0.0);
                        for (int t = 0; t < rows; ++t) sum += simd::load(d + t * step);
                        for (int lane = 0; lane < lanes; ++lane) targets[lane][l.extra + unit] = sum[lane];
                    }
                }
            }
        if (l.numbers == 3) // peepholes: i and f have seen the old memory, o the new
            for (int j = 0; j < 3; ++j)
                for (int unit = 0; unit < l.units; ++unit) {
                    const double *d = da + (s.at.rows_at[2 * i] + (j == 2 ? 3 : j) * l.units + unit) * LANES;
                    Vec sum = simd::splat(0.0);
                    for (int t = 0; t < rows; ++t) {
                        const double *from = j == 2 ? run.row(b + t) : run.before(b + t, s.sequence);
                        sum += simd::load(d + t * step) * from[l.c + unit];
                    }
                    for (int lane = 0; lane < lanes; ++lane) targets[lane][l.extra + j * l.units + unit] = sum[lane];
                }
    }
    const Layer &top = net.last();
    const double *eta = s.eta.at;
    const long eta_step = static_cast<long>(net.k_eta) * LANES;
    for (int k = 0; k < net.k_eta; ++k, eta += LANES) {
        for (int c = 0; c < top.units; c += LANES) {
            outer_lanes(top.units - c, eta, eta_step, row + top.h + c, stride, rows, x);
            put_lanes(x, targets, lanes, net.readout + k * top.units + c, 0, std::min(LANES, top.units - c));
        }
        Vec sum = simd::splat(0.0);
        for (int t = 0; t < rows; ++t) sum += simd::load(eta + t * eta_step);
        for (int lane = 0; lane < lanes; ++lane) targets[lane][net.constant + k] = sum[lane];
        if (net.skip)
            for (int j = 0; j < net.k_in; ++j) {
                sum = simd::splat(0.0);
                for (int t = 0; t < rows; ++t)
                    sum += simd::load(eta + t * eta_step) * run.filled[(b + t) * net.k_in + j];
                for (int lane = 0; lane < lanes; ++lane) targets[lane][net.direct + k * net.k_in + j] = sum[lane];
            }
    }
}

// Adds adjoint times S to the targets of all groups, eight columns at a time.
template <class Groups>
RNNSTATS_CELLS_CLONES void sweep_compose(Sweep &s, const Groups &groups) {
    for (long c = 0; c < s.columns; c += LANES) {
        const int high = static_cast<int>(std::min<long>(LANES, s.columns - c));
        for (int i = 0; i < s.K; ++i) simd::store(s.strip.at + i * LANES, simd::load(s.S.at + i * s.wide + c));
        for (std::size_t v = 0; v < groups.size(); ++v) {
            const double *A = s.adjoints(static_cast<int>(v));
            Vec sum[LANES];
            RNNSTATS_UNROLL
            for (int x = 0; x < LANES; ++x) sum[x] = simd::splat(0.0);
            for (int i = 0; i < s.K; ++i) {
                const Vec one = simd::load(s.strip.at + i * LANES);
                RNNSTATS_UNROLL
                for (int x = 0; x < LANES; ++x) sum[x] += one * A[i * LANES + x];
            }
            double *const *targets = groups[v].targets;
            if (groups[v].lanes == LANES && high == LANES) {
                RNNSTATS_UNROLL
                for (int lane = 0; lane < LANES; ++lane)
                    simd::store(targets[lane] + c, simd::load(targets[lane] + c) + sum[lane]);
                continue;
            }
            for (int lane = 0; lane < groups[v].lanes; ++lane) {
                double *to = targets[lane] + c;
                if (high == LANES) simd::store(to, simd::load(to) + sum[lane]);
                else
                    for (int x = 0; x < high; ++x) to[x] += sum[lane][x];
            }
        }
    }
}

// The same at a sequence's first row, where S is known: one for the state itself, V h + constant for an eta.
inline void sweep_begin(Sweep &s, int group, double *const *targets, int lanes) {
    const Network &net = s.net;
    const Layer &top = net.last();
    const double *A = s.adjoints(group);
    const double *h = s.run.row(s.run.n + s.sequence) + top.h;
    for (int lane = 0; lane < lanes; ++lane) {
        double *to = targets[lane];
        for (int i = 0; i < net.k_state; ++i) to[net.size + i] = A[i * LANES + lane];
        for (int j = 0; j < s.slots * net.k_eta; ++j) {
            const double one = A[(net.k_state + j) * LANES + lane];
            const int k = j % net.k_eta;
            to[net.constant + k] += one;
            for (int i = 0; i < top.units; ++i) {
                to[net.readout + k * top.units + i] += one * h[i];
                to[net.size + top.state + i] += one * s.weights[net.readout + k * top.units + i];
            }
        }
    }
}

inline void Sweep::block(std::int64_t first, std::int64_t end, bool more, double *out) {
    const int units = more ? static_cast<int>(padded(K)) / LANES : 0;
    const Block b{first, end, units, units + static_cast<int>(padded((end - first) * r)) / LANES,
                  first == run.offsets[sequence]};
    std::vector<Group> groups;
    for (int v = 0; v < b.groups; ++v) {
        groups.push_back(seed(b, v, out));
        const Group &g = groups.back();
        sweep_back(*this, first, g.rows, v);
        sweep_outer(*this, first, g.rows, g.targets, g.lanes);
        if (b.begins) sweep_begin(*this, v, g.targets, g.lanes);
    }
    if (!b.begins) sweep_compose(*this, groups);
    if (more) std::swap(S.at, next.at), std::swap(S.size, next.size);
}

// Derivatives of each row's state by the one before (n, s, s) and by the inputs (n, s, k_in).
RNNSTATS_CELLS_CLONES inline void jacobians(const Run &run, const double *weights, double *by_state,
                                            double *by_inputs) {
    const Network &net = run.net;
    const Bundle at(net);
    const int s = net.k_state, k_in = net.k_in;
    Buffer w, A(static_cast<std::size_t>(s) * LANES), eta(static_cast<std::size_t>(net.k_eta) * LANES);
    Buffer da(static_cast<std::size_t>(at.rows) * LANES), dz(static_cast<std::size_t>(2 * at.widest) * LANES);
    Buffer inputs(static_cast<std::size_t>(k_in + 1) * LANES);
    pack(net, weights, Pass::plain, &w);
    for (int sequence = 0; sequence < run.sequences; ++sequence)
        for (std::int64_t t = run.offsets[sequence]; t < run.offsets[sequence + 1]; ++t)
            for (int from = 0; from < s; from += LANES) {
                const int lanes = std::min(LANES, s - from);
                std::fill(A.at, A.at + static_cast<long>(s) * LANES, 0.0);
                for (int lane = 0; lane < lanes; ++lane) A.at[(from + lane) * LANES + lane] = 1.0;
                lanes_back(net, at, w.at, weights, run.row(t), eta.at, A.at, da.at, dz.at,
                           inputs.at);
                for (int lane = 0; lane < lanes; ++lane) {
                    double *state = by_state + (t * s + from + lane) * s;
                    double *input = by_inputs + (t * s + from + lane) * k_in;
                    for (int i = 0; i < s; ++i) state[i] = A.at[i * LANES + lane];
                    for (int j = 0; j < k_in; ++j) input[j] = inputs.at[j * LANES + lane];
                }
            }
}

} // namespace cells
} // namespace rnnstats
