// Derivatives of every row's own function, exactly, at less than the cost of carrying the sensitivities of the
// state forward: time is cut into blocks. Each row of a block has a reverse pass down to the block's first row, and
// what lies before comes from the sensitivities S of the state there, (states x weights): adjoint times S. S of the
// next block comes from one reverse pass a state through this block, and S. In multiplications, a row costs
// (1 + f) (r B / 2 + K) + r K + K^2 / B times the number of weights, with blocks of B rows, K states and r functions
// a row; f is what a pass pays for a step beside the outer products: 1 for one gate, less where gates share a
// matrix (cells_lanes.hpp). (The score costs 3 times that number; carrying S forward row by row, K^2 and more.)
//
// Where a prediction stood in for a missing input, an eta up to `longest` rows back counts as a state too.
#pragma once

#include "cells_lanes.hpp"
#include "cells_rule.hpp"

// Brings near what is read (or, 1, written) soon.
#if defined(__GNUC__)
#define RNNSTATS_PREFETCH(at, write) __builtin_prefetch(at, write, 2)
#else
#define RNNSTATS_PREFETCH(at, write) static_cast<void>(at)
#endif

namespace rnnstats {
namespace cells {

// Weights of one row of a matrix: their derivatives are sums over rows of adjoint times what is seen.
struct Strip {
    enum class Left { sources, eta, nothing } left;
    enum class Seen { tape, block, one } seen;
    long x, gate, z; // source (or eta) and its slope; what is seen
    int columns;
    long flat, tile; // in a row of the result; in S
    bool at_start;   // not zero in S of a sequence's first row
};

// Goes through the rows in turn and keeps S.
struct Sweep {
    const Run &run;
    const Network &net;
    const double *weights;
    const double *seeds; // (n, r, k_eta), or null: each eta is a function, r = k_eta
    int r, K, deep, slots, limit; // states, also in whole vectors; rows of a block
    long columns, tiles = 0;
    Places at;
    std::vector<Strip> strips;
    std::vector<long> memory_at; // of the layers, in the block's row
    long seen_row = 0, x_step; // from one source to the next
    Buffer w, S, S_next, A, turns, eta, X, gates, matrices, scratch, by_inputs, seen, right;
    int sequence = 0;

    Sweep(const Run &all, const double *numbers, const double *functions, int a_row)
        : run(all), net(all.net), weights(numbers), seeds(functions), r(a_row), slots(static_cast<int>(all.longest)),
          columns(all.net.columns()), at(all.net, all.longest > 0) {
        K = net.k_state + slots * net.k_eta, deep = static_cast<int>(padded(K));
        const long best = padded(static_cast<long>(K / std::sqrt(static_cast<double>(r)))); // measured
        limit = static_cast<int>(std::max(16L, std::min(64L, best)));
        x_step = (limit + 1) * LANES;
        pack(net, weights, Pass::plain, &w);
        list_strips();
        const long groups = (padded(K) + padded(static_cast<long>(limit) * r)) / LANES;
        S.resize(static_cast<std::size_t>(tiles * deep * LANES));
        S_next.resize(static_cast<std::size_t>(tiles * deep * LANES));
        A.resize(static_cast<std::size_t>(groups * K * LANES));
        turns.resize(static_cast<std::size_t>(groups * 2 * at.x * LANES));
        eta.resize(static_cast<std::size_t>(groups * limit * net.k_eta * LANES), false);
        X.resize(static_cast<std::size_t>(groups * at.x * x_step), false);
        gates.resize(static_cast<std::size_t>(limit * at.gates), false);
        matrices.resize(static_cast<std::size_t>(at.matrices));
        scratch.resize(static_cast<std::size_t>(2L * at.widest * LANES));
        by_inputs.resize(static_cast<std::size_t>(2L * (net.k_in + 1) * LANES));
        seen.resize(static_cast<std::size_t>(limit * seen_row));
        long widest = 0;
        for (const Strip &one : strips) widest = std::max(widest, padded(one.columns));
        right.resize(static_cast<std::size_t>(widest * limit), false);
    }

    // Rows `from` to `to`, which begin where the call before ended; out (to - from, r, columns).
    void rows(std::int64_t from, std::int64_t to, double *out) {
        while (from < to) {
            const std::int64_t end = next(from, to, out);
            out += (end - from) * r * columns;
            from = end;
        }
    }

    // All rows, of one function each, by the parameters of the rule; row t goes to row places[t] of out.
    void rows_by(const Rule &rule, const std::int64_t *places, double *out) {
        Buffer block(static_cast<std::size_t>(limit * columns));
        for (std::int64_t from = 0; from < run.n;) {
            const std::int64_t end = next(from, run.n, block.at);
            for (std::int64_t t = from; t < end; ++t)
                by_rule(rule, block.at + (t - from) * columns, out + places[t] * rule.count);
            from = end;
        }
    }

    // S of all strips lies in tiles of eight columns, [tile][column][state]; that of the next block is made beside it.
    //
    // A group of up to eight passes, through the block's first `rows` rows: those of states, whose results are S of
    // the next block from state `state` on, or of the rows' functions, where `out` says where each goes.
    struct Group {
        int lanes = 0, rows = 0, state = -1;
        double *out[LANES];
    };
    std::vector<Group> groups;

    // Adjoints of the state at the block's first row.
    double *adjoints(std::size_t group) const { return A.at + static_cast<long>(group) * K * LANES; }
    double *eta_of(std::size_t group, long row) const {
        return eta.at + (static_cast<long>(group) * limit + row) * net.k_eta * LANES;
    }
    // Adjoints of the state at a row, by sources, which are made from those of the row after: two rows in turn.
    double *turn(std::size_t group, long row) const {
        return turns.at + (static_cast<long>(group) * 2 + row % 2) * at.x * LANES;
    }
    // A source's adjoints in the block's rows.
    double *source(std::size_t group, long x) const { return X.at + (static_cast<long>(group) * at.x + x) * x_step; }

private:
    // A block of rows from `from` on; returns where it ends.
    std::int64_t next(std::int64_t from, std::int64_t to, double *out) {
        while (run.offsets[sequence + 1] <= from) ++sequence;
        const std::int64_t last = run.offsets[sequence + 1];
        const std::int64_t end = std::min<std::int64_t>({from + limit, last, to});
        block(from, end, end < last, out);
        return end;
    }
    void list_strips();
    void block(std::int64_t first, std::int64_t end, bool more, double *out);
    void seed_states(int rows, int pass);
    void seed_rows(std::int64_t first, int rows, long pass, double *out);
    void begin(std::int64_t first);
    Group &add(int rows);
};

inline void Sweep::list_strips() {
    using Left = Strip::Left;
    using Seen = Strip::Seen;
    seen_row = net.skip ? padded(net.k_in) : 0;
    for (std::size_t i = 0; i < net.layers.size(); ++i) {
        const Layer &l = net.layers[i];
        memory_at.push_back(seen_row);
        if (l.numbers) seen_row += l.wide();
        for (int stage = 0; stage < l.stages; ++stage)
            for (int g = 0; g < l.stage[stage].gates; ++g) {
                const Place place = l.place(stage, g);
                const int gate = stage * l.stage[0].gates + g;
                int source = 0;
                RNNSTATS_WITH_CELL(l.kind, source = C::source(gate);)
                for (int unit = 0; unit < l.units; ++unit) {
                    const long x = at.layers[i].x + source * l.units + unit;
                    const long slope = at.layers[i].gates + gate * l.wide() + unit;
                    const long flat = l.matrix + static_cast<long>(place.gate * l.units + unit) * l.kz + place.low;
                    strips.push_back({Left::sources, Seen::tape, x, slope, l.stage[stage].z + place.low,
                                      place.high - place.low, flat, 0, false});
                    if (place.constant_extra)
                        strips.push_back({Left::sources, Seen::one, x, slope, 0, 1, l.extra + unit, 0, false});
                    if (l.numbers == 3 && g != 2) // peepholes: i and f have seen the old memory, o the new
                        strips.push_back({Left::sources, g == 3 ? Seen::tape : Seen::block, x, slope,
                                          (g == 3 ? l.c : memory_at[i]) + unit, 1,
                                          l.extra + (g == 3 ? 2 : g) * l.units + unit, 0, false});
                }
            }
    }
    const Layer &top = net.last();
    for (int k = 0; k < net.k_eta; ++k) {
        strips.push_back({Left::eta, Seen::tape, k, 0, top.h, top.units, net.readout + k * top.units, 0, slots > 0});
        strips.push_back({Left::eta, Seen::one, k, 0, 0, 1, net.constant + k, 0, slots > 0});
        if (net.skip && net.k_in)
            strips.push_back({Left::eta, Seen::block, k, 0, 0, net.k_in, net.direct + k * net.k_in, 0, false});
    }
    strips.push_back({Left::nothing, Seen::one, 0, 0, 0, net.k_state, net.size, 0, true});
    // gates of one source in turn: its numbers are still near
    std::stable_sort(strips.begin(), strips.end(), [](const Strip &a, const Strip &b) {
        return a.left != b.left ? a.left < b.left : a.x < b.x;
    });
    for (Strip &one : strips) {
        one.tile = tiles;
        tiles += padded(one.columns) / LANES;
    }
}

inline Sweep::Group &Sweep::add(int rows) {
    const std::size_t group = groups.size();
    std::fill(adjoints(group) + net.k_state * LANES, adjoints(group) + K * LANES, 0.0);
    std::fill(turn(group, rows - 1), turn(group, rows - 1) + at.x * LANES, 0.0);
    std::fill(eta_of(group, 0), eta_of(group, rows), 0.0);
    groups.emplace_back();
    groups.back().rows = rows;
    return groups.back();
}

// Passes of a block: first one a state, where S is wanted at its end, padded to whole groups; then those of the
// rows' functions, the last row first.
inline void Sweep::seed_states(int rows, int pass) {
    Group &g = add(rows);
    const std::size_t group = groups.size() - 1;
    g.state = pass;
    for (; g.lanes < LANES && pass < K; ++pass, ++g.lanes) {
        const int slot = (pass - net.k_state) / net.k_eta, k = (pass - net.k_state) % net.k_eta;
        if (pass < net.k_state) turn(group, rows - 1)[at.source(net, pass) * LANES + g.lanes] = 1.0;
        else if (slot < rows) eta_of(group, rows - 1 - slot)[k * LANES + g.lanes] = 1.0;
        else adjoints(group)[(net.k_state + (slot - rows) * net.k_eta + k) * LANES + g.lanes] = 1.0;
    }
}

inline void Sweep::seed_rows(std::int64_t first, int rows, long pass, double *out) {
    const int k_eta = net.k_eta;
    Group &g = add(rows - static_cast<int>(pass / r));
    const std::size_t group = groups.size() - 1;
    for (; g.lanes < LANES && pass < static_cast<long>(rows) * r; ++pass, ++g.lanes) {
        const long row = rows - 1 - pass / r, x = pass % r;
        g.out[g.lanes] = out + (row * r + x) * columns;
        for (int k = 0; k < k_eta; ++k)
            eta_of(group, row)[k * LANES + g.lanes] = seeds ? seeds[((first + row) * r + x) * k_eta + k] : k == x;
    }
}

// S at a sequence's first row, where it is known: one for the state itself, V h + constant for an eta.
inline void Sweep::begin(std::int64_t first) {
    if (first != run.offsets[sequence]) return;
    const Layer &top = net.last();
    const double *h = run.row(run.n + sequence) + top.h;
    for (const Strip &strip : strips) {
        if (!strip.at_start) continue;
        const long end = strip.tile + padded(strip.columns) / LANES;
        std::fill(S.at + strip.tile * deep * LANES, S.at + end * deep * LANES, 0.0);
        const auto put = [&](long state, long c, double value) {
            S.at[(strip.tile * LANES + c) * deep + state] = value;
        };
        const bool initial = strip.left == Strip::Left::nothing;
        for (int i = 0; initial && i < net.k_state; ++i) put(i, i, 1.0);
        for (int j = 0; j < slots * net.k_eta; ++j) {
            const int k = j % net.k_eta;
            if (initial)
                for (int i = 0; i < top.units; ++i)
                    put(net.k_state + j, top.state + i, weights[net.readout + k * top.units + i]);
            else if (strip.x == k)
                for (int i = 0; i < strip.columns; ++i)
                    put(net.k_state + j, i, strip.seen == Strip::Seen::one ? 1.0 : h[i]);
        }
    }
}

// V groups back by one row.
template <int V>
RNNSTATS_INLINE void sweep_row(Sweep &s, std::int64_t b, std::int64_t t, std::size_t group, bool gaps) {
    const Run &run = s.run;
    const Network &net = s.net;
    const long row = t - b;
    Passes<V> p;
    for (int v = 0; v < V; ++v) {
        p.row[v] = s.turn(group + v, row), p.before[v] = row ? s.turn(group + v, row - 1) : s.adjoints(group + v);
        p.x[v] = s.source(group + v, 0) + row * LANES;
        p.eta[v] = s.eta_of(group + v, row), p.by_inputs[v] = s.by_inputs.at + v * (net.k_in + 1) * LANES;
    }
    p.as_state = row == 0, p.dz = s.scratch.at;
    row_turn<V>(net, s.at, s.w.at, s.weights, s.matrices.at, s.slots > 0, p, s.x_step);
    if (!gaps) return;
    std::vector<double> seen(net.k_eta);
    for (int i = 0; i < run.feedback.count; ++i)
        if (run.gap(t, i)) {
            const std::int64_t past = t - run.feedback.lags[i];
            run.feedback.slopes(i, run.eta_at(past, s.sequence), net.k_eta, seen.data());
            for (int v = 0; v < V; ++v) {
                double *to = past >= b ? s.eta_of(group + v, past - b)
                                       : s.adjoints(group + v) + (net.k_state + (b - 1 - past) * net.k_eta) * LANES;
                const Vec owed = simd::load(p.by_inputs[v] + run.feedback.columns[i] * LANES);
                for (int k = 0; k < net.k_eta; ++k)
                    simd::store(to + k * LANES, simd::load(to + k * LANES) + owed * seen[k]);
            }
        }
}

RNNSTATS_CELLS_CLONES inline void sweep_back(Sweep &s, std::int64_t b, int rows) {
    const Run &run = s.run;
    const Network &net = s.net;
    std::size_t active = 0;
    for (std::int64_t t = b + rows - 1; t >= b; --t) {
        const double *before = run.before(t, s.sequence);
        double *seen = s.seen.at + (t - b) * s.seen_row;
        row_slopes(net, s.at, s.w.at, run.row(t), s.gates.at + (t - b) * s.at.gates, s.matrices.at);
        if (net.skip) std::copy_n(run.filled + t * net.k_in, net.k_in, seen);
        for (std::size_t i = 0; i < net.layers.size(); ++i)
            if (net.layers[i].numbers)
                std::copy_n(before + net.layers[i].c, net.layers[i].wide(), seen + s.memory_at[i]);
        bool gaps = false;
        for (int i = 0; i < run.feedback.count; ++i) gaps |= run.gap(t, i);
        while (active < s.groups.size() && s.groups[active].rows > t - b) ++active;
        std::size_t group = 0;
        for (; group + 2 <= active; group += 2) sweep_row<2>(s, b, t, group, gaps);
        if (group < active) sweep_row<1>(s, b, t, group, gaps);
    }
}

RNNSTATS_INLINE void put_some(double *to, const double *from, int count) {
    if (count & 4) std::memcpy(to, from, 4 * sizeof(double)), to += 4, from += 4;
    if (count & 2) std::memcpy(to, from, 2 * sizeof(double)), to += 2, from += 2;
    if (count & 1) *to = *from;
}

// What a strip's groups are multiplied by besides S: what the strip has seen in the block's rows, times its slopes, in
// tiles [row][column].
RNNSTATS_INLINE void right_panel(Sweep &s, const Strip &strip, std::int64_t b, int rows) {
    static const double ones[LANES] = {1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0};
    if (strip.left == Strip::Left::nothing) return;
    const double *z = ones, *slope = s.gates.at + strip.gate;
    long step = 0;
    if (strip.seen == Strip::Seen::tape) z = s.run.row(b) + strip.z, step = s.net.stride;
    if (strip.seen == Strip::Seen::block) z = s.seen.at + strip.z, step = s.seen_row;
    double *to = s.right.at;
    const long gates = strip.left == Strip::Left::sources ? s.at.gates : 0, length = s.limit * LANES;
    if (!gates) slope = ones;
    for (int c = 0; c < strip.columns; c += LANES, to += length, z += LANES) {
        RNNSTATS_UNROLL
        for (int t = 0; t < rows; ++t) simd::store(to + t * LANES, simd::load(z + t * step) * slope[t * gates]);
    }
}

// V groups from `first` on: adjoints of the state, and of a source in the block's rows, `shared` of which all have.
template <int V>
struct Task {
    const Sweep::Group *group[V];
    const double *A[V], *d[V];
    long d_step;
    int states, shared, rows;
};

// N columns of a strip from c on, `wanted` of them: A S + sum over the rows of d (slope z)'.
template <int N, int V>
RNNSTATS_INLINE void strip_tile(Sweep &s, const Task<V> &task, const Strip &strip, int c, int wanted) {
    Vec sum[N][2];
    no_sum<N>(sum);
    const double *own = s.right.at + c * s.limit, *S = s.S.at + (strip.tile * LANES + c) * s.deep;
    double *S_next = s.S_next.at + (strip.tile * LANES + c) * s.deep;
    product<N, V>(task.d, task.d_step, own, LANES, 1, 0, task.shared, sum);
    if constexpr (V > 1) product<N, 1>(task.d, task.d_step, own, LANES, 1, task.shared, task.rows, sum);
    product<N, V>(task.A, LANES, S, 1, s.deep, 0, task.states, sum);
    RNNSTATS_UNROLL
    for (int v = 0; v < V; ++v) {
        const Sweep::Group &g = *task.group[v];
        const long at = strip.flat + c;
        if (g.state >= 0) {
            RNNSTATS_UNROLL
            for (int x = 0; x < N; ++x) simd::store(S_next + x * s.deep + g.state, sum[x][v]);
            continue;
        }
        if constexpr (N == 1)
            for (int lane = 0; lane < g.lanes; ++lane) g.out[lane][at] = sum[0][v][lane];
        else {
            Vec y[LANES];
            RNNSTATS_UNROLL
            for (int x = 0; x < LANES; ++x) y[x] = x < N ? sum[x][v] : simd::splat(0.0);
            simd::transpose(y);
            if (wanted == LANES)
                for (int lane = 0; lane < g.lanes; ++lane) simd::store(g.out[lane] + at, y[lane]);
            else
                for (int lane = 0; lane < g.lanes; ++lane) {
                    double all[LANES];
                    simd::store(all, y[lane]);
                    put_some(g.out[lane] + at, all, wanted);
                }
        }
    }
}

// Brings near, while a strip's groups from `first` on are computed, where their results go, and, where S is large,
// their share of what the strip after needs: S, and its source's adjoints.
template <int V>
RNNSTATS_INLINE void bring_near(const Sweep &s, std::size_t first, const Strip &strip, const Strip &after) {
    for (int v = 0; v < V; ++v) {
        const Sweep::Group &g = s.groups[first + v];
        for (int lane = 0; g.state < 0 && lane < g.lanes; ++lane)
            for (int c = 0; c < strip.columns + LANES - 1; c += LANES)
                RNNSTATS_PREFETCH(g.out[lane] + strip.flat + c, 1);
    }
    if (s.tiles * s.deep < (1L << 15)) return; // two megabytes
    const long lines = padded(after.columns) / LANES * s.deep, count = static_cast<long>(s.groups.size());
    const double *S = s.S.at + after.tile * s.deep * LANES;
    const long from = lines * static_cast<long>(first) / count, to = lines * static_cast<long>(first + V) / count;
    for (long k = from; k < to; ++k) RNNSTATS_PREFETCH(S + k * LANES, 0);
    for (int v = 0; v < V && after.left == Strip::Left::sources && after.x != strip.x; ++v) {
        const double *soon = s.source(first + v, after.x);
        for (int t = 0; t < s.groups[first + v].rows; ++t) RNNSTATS_PREFETCH(soon + t * LANES, 0);
    }
}

template <int V>
RNNSTATS_INLINE void strip_groups(Sweep &s, std::size_t first, const Strip &strip, const Strip &after, bool before) {
    bring_near<V>(s, first, strip, after);
    Task<V> task;
    const bool sources = strip.left == Strip::Left::sources, own = strip.left != Strip::Left::nothing;
    const int columns = strip.columns;
    for (int v = 0; v < V; ++v) {
        const Sweep::Group &g = s.groups[first + v];
        task.group[v] = &g, task.A[v] = s.adjoints(first + v);
        task.d[v] = sources ? s.source(first + v, strip.x) : s.eta_of(first + v, 0) + strip.x * LANES;
    }
    task.d_step = (sources ? 1 : s.net.k_eta) * LANES;
    task.states = before ? s.K : 0;
    task.shared = own ? task.group[V - 1]->rows : 0, task.rows = own ? task.group[0]->rows : 0;
    int c = 0;
    for (; c + 4 < columns; c += LANES) strip_tile<LANES, V>(s, task, strip, c, std::min(LANES, columns - c));
    if (c + 1 < columns) strip_tile<4, V>(s, task, strip, c, columns - c);
    else if (c < columns) strip_tile<1, V>(s, task, strip, c, 1);
}

// Derivatives by the weights within the block, and what comes from S; and S of the next block.
RNNSTATS_CELLS_CLONES inline void sweep_outer(Sweep &s, std::int64_t b, int rows, bool begins) {
    for (std::size_t i = 0; i < s.strips.size(); ++i) {
        const Strip &strip = s.strips[i], &after = s.strips[std::min(i + 1, s.strips.size() - 1)];
        const bool before = !begins || strip.at_start;
        right_panel(s, strip, b, rows);
        std::size_t group = 0;
        for (; group + 2 <= s.groups.size(); group += 2) strip_groups<2>(s, group, strip, after, before);
        if (group < s.groups.size()) strip_groups<1>(s, group, strip, after, before);
    }
}

inline void Sweep::block(std::int64_t first, std::int64_t end, bool more, double *out) {
    const int rows = static_cast<int>(end - first);
    groups.clear();
    for (int pass = 0; more && pass < K; pass += LANES) seed_states(rows, pass);
    for (long pass = 0; pass < static_cast<long>(rows) * r; pass += LANES) seed_rows(first, rows, pass, out);
    begin(first);
    sweep_back(*this, first, rows);
    sweep_outer(*this, first, rows, first == run.offsets[sequence]);
    std::swap(S.at, S_next.at);
}

} // namespace cells
} // namespace rnnstats
