// Many reverse passes side by side, a row at a time: lanes of the vectors are passes.
//
// A row's gates, seen backwards, are one matrix for all passes: the adjoint of a gate's argument is a number, the
// gate's slope at this unit and row, times the adjoint of h ("source" 0) or of a second number of the unit (source
// 1: the memory c, or what a late gate sees). So the adjoint of h one row before is M' (sources), where
// M = sum over gates of slope times weights, made once a row; see `slopes` of the cells.
#pragma once

#include "cells_run.hpp"

namespace rnnstats {
namespace cells {

// sum [column][v] += sum over k of d [k][lane] z [k][column] in the groups v: the one product of all that follows;
// z_step from one k to the next, across from one column to the next.
template <int N, int V>
RNNSTATS_INLINE void product(const double *const *d, long d_step, const double *z, long z_step, long across, int from,
                             int to, Vec (*sum)[2]) {
    const double *left[V];
    for (int v = 0; v < V; ++v) left[v] = d[v] + from * d_step;
    z += from * z_step;
    for (int k = from; k < to; ++k, z += z_step) {
        Vec one[V];
        RNNSTATS_UNROLL
        for (int v = 0; v < V; ++v) {
            one[v] = simd::load(left[v]);
            left[v] += d_step;
        }
        RNNSTATS_UNROLL
        for (int x = 0; x < N; ++x)
            RNNSTATS_UNROLL
            for (int v = 0; v < V; ++v) sum[x][v] += one[v] * z[x * across];
    }
}
template <int N>
RNNSTATS_INLINE void no_sum(Vec (*sum)[2]) {
    RNNSTATS_UNROLL
    for (int x = 0; x < N; ++x) sum[x][0] = sum[x][1] = simd::splat(0.0);
}

// Where a row's slopes and the passes' numbers lie.
struct Places {
    struct One {
        int wanted, rows; // columns of the adjoint of what the layer has seen; its sources, one a unit
        long x;           // first of them in a row of X
        long gates, carry, matrix, late;
        long width() const { return padded(wanted); }
    };
    std::vector<One> layers;
    long x = 0, gates = 0, matrices = 0; // sizes; gates: slopes of all gates, [gate][unit], each stage wide
    int widest = 0, most = 0;            // columns, sources

    Places(const Network &net, bool inputs) {
        for (std::size_t i = 0; i < net.layers.size(); ++i) {
            const Layer &l = net.layers[i];
            One one{l.units + (i > 0 || inputs ? l.k_in : 0), 0, x, gates, 0, 0, 0};
            RNNSTATS_WITH_CELL(l.kind, one.rows = C::sources * l.units;)
            x += one.rows;
            gates += static_cast<long>(l.stage[0].gates + l.stage[1].gates) * l.wide();
            one.carry = matrices, matrices += 2L * l.wide();
            one.matrix = matrices, matrices += one.rows * one.width();
            one.late = matrices, matrices += l.stages > 1 ? l.units * one.width() : 0;
            widest = std::max<int>(widest, static_cast<int>(one.width()));
            most = std::max(most, one.rows);
            layers.push_back(one);
        }
    }

    // Where a number of the state lies among the sources.
    long source(const Network &net, long state) const {
        std::size_t i = net.layers.size() - 1;
        while (state < net.layers[i].state) --i;
        return layers[i].x + state - net.layers[i].state;
    }
};

// A row's slopes of a layer, and its matrix.
template <class C>
RNNSTATS_INLINE void layer_slopes(const Layer &l, const Places::One &at, const double *w, const double *row,
                                  double *gates, double *all) {
    const int wide = l.wide(), u = l.units;
    const long width = at.width();
    const int kzp = l.kzp, wanted = at.wanted, blocks = l.blocks;
    double *carry = all + at.carry, *matrix = all + at.matrix, *late = all + at.late;
    for (int b = 0; b < blocks; ++b) {
        Vec saved[C::saved], p[C::numbers + 1], gate[C::first + C::late], more[2];
        for (int j = 0; j < C::saved; ++j) saved[j] = simd::load(row + l.save + (j * blocks + b) * LANES);
        for (int j = 0; j < C::numbers; ++j) p[j] = simd::load(w + l.p + j * wide + b * LANES);
        more[0] = more[1] = simd::splat(0.0);
        C::slopes(saved, p, gate, more);
        for (int g = 0; g < C::first + C::late; ++g) simd::store(gates + g * wide + b * LANES, gate[g]);
        for (int j = 0; j < 2; ++j) simd::store(carry + j * wide + b * LANES, more[j]);
    }
    const double *W = w + l.stage[0].plain;
    int low[C::first], high[C::first]; // columns where a gate has weights, in whole vectors
    for (int g = 0; g < C::first; ++g) {
        const Place place = l.place(0, g);
        low[g] = place.low / LANES * LANES, high[g] = place.high;
    }
    for (int i = 0; i < u; ++i) {
        Vec slope[C::first];
        for (int g = 0; g < C::first; ++g) slope[g] = simd::splat(gates[g * wide + i]);
        for (int c = 0; c < wanted; c += LANES) {
            Vec sum[C::sources];
            for (int x = 0; x < C::sources; ++x) sum[x] = simd::splat(0.0);
            RNNSTATS_UNROLL
            for (int g = 0; g < C::first; ++g)
                if (low[g] <= c && c < high[g])
                    sum[C::source(g)] += simd::load(W + static_cast<long>(g * u + i) * kzp + c) * slope[g];
            for (int x = 0; x < C::sources; ++x) simd::store(matrix + (x * u + i) * width + c, sum[x]);
        }
    }
    if constexpr (C::late > 0) {
        const double *W_late = w + l.stage[1].plain;
        for (int i = 0; i < u; ++i) {
            const double slope = gates[C::first * wide + i];
            for (int c = 0; c < wanted; c += LANES)
                simd::store(late + i * width + c, simd::load(W_late + static_cast<long>(i) * kzp + c) * slope);
            for (int c = u; c < wanted; ++c) matrix[i * width + c] += late[i * width + c];
            matrix[(u + i) * width + i] += carry[wide + i];
        }
    }
    if constexpr (!C::memory)
        for (int i = 0; i < u; ++i) matrix[i * width + i] += carry[i];
}

// Columns of M' (sources) in V groups: the first `near` go to `to`, [column][lane], the rest to `far`, [column][v].
template <int N, int V>
RNNSTATS_INLINE void turned_tile(const double *const *d, const double *M, long width, int rows, int c, int columns,
                                 int near, double *const *to, double *far) {
    Vec sum[N][2];
    no_sum<N>(sum);
    product<N, V>(d, LANES, M + c, width, 1, 0, rows, sum);
    if (c + N <= near) {
        RNNSTATS_UNROLL
        for (int x = 0; x < N; ++x)
            for (int v = 0; v < V; ++v) simd::store(to[v] + (c + x) * LANES, sum[x][v]);
    } else
        for (int x = 0; x < N && c + x < columns; ++x)
            for (int v = 0; v < V; ++v)
                simd::store(c + x < near ? to[v] + (c + x) * LANES : far + ((c + x - near) * V + v) * LANES, sum[x][v]);
}

template <int V>
RNNSTATS_INLINE void turned(const double *const *d, const double *M, long width, int rows, int columns, int near,
                            double *const *to, double *far) {
    int c = 0;
    for (; c + 4 < columns; c += LANES) turned_tile<LANES, V>(d, M, width, rows, c, columns, near, to, far);
    if (c < columns) turned_tile<4, V>(d, M, width, rows, c, columns, near, to, far);
}

// V groups of eight passes at a row. `row`: adjoints of its state, [source][lane], which the turn completes to all
// of the row's sources; `before`: of the state one row before, laid out alike, or, `as_state`, [state][lane].
template <int V>
struct Passes {
    double *row[V], *before[V];
    bool as_state;
    double *x[V]; // the row's sources, x_step from one to the next; null: not kept
    const double *eta[V]; // adjoints of the row's eta, [eta][lane]
    double *by_inputs[V]; // set where wanted
    double *dz;           // scratch: adjoints of what a layer has seen from below
};

// One layer and row back. (Sizes are copied: the compiler believes that vectors' stores can change them.)
template <class C, int V>
RNNSTATS_INLINE void layer_turn(const Layer &l, const Places::One &at, const double *all, const Passes<V> &p,
                                long x_step) {
    const int u = l.units, wide = l.wide(), rows = at.rows, wanted = at.wanted;
    const long width = at.width(), first = (p.as_state ? l.state : at.x) * LANES;
    const double *carry = all + at.carry, *matrix = all + at.matrix, *late = all + at.late, *d[V];
    double *to[V], *more[V];
    for (int v = 0; v < V; ++v) {
        double *H = p.row[v] + at.x * LANES;
        d[v] = H, to[v] = p.before[v] + first, more[v] = H + static_cast<long>(u) * LANES;
        if constexpr (C::memory) {
            double *M = more[v], *M_before = to[v] + static_cast<long>(u) * LANES;
            RNNSTATS_UNROLL
            for (int i = 0; i < u; ++i) {
                const Vec all_of = simd::load(M + i * LANES) + simd::load(H + i * LANES) * carry[i];
                simd::store(M + i * LANES, all_of);
                simd::store(M_before + i * LANES, all_of * carry[wide + i]);
            }
        }
    }
    if constexpr (C::late > 0) turned<V>(d, late, width, u, u, u, more, p.dz);
    for (int v = 0; v < V && p.x[v]; ++v) {
        double *x = p.x[v] + at.x * x_step;
        RNNSTATS_UNROLL
        for (int i = 0; i < rows; ++i, x += x_step) simd::store(x, simd::load(d[v] + i * LANES));
    }
    turned<V>(d, matrix, width, rows, wanted, u, to, p.dz);
}

// Adds what an eta's adjoint gives to the top layer's H, and to the inputs' where they are wanted.
RNNSTATS_INLINE void read_back(const Network &net, const double *w, const double *weights, const double *eta,
                               double *H, double *by_inputs) {
    const Layer &top = net.last();
    const int k_in = net.k_in, k_eta = net.k_eta, units = top.units, wide = top.wide();
    for (int j = 0; by_inputs && j < k_in; ++j) simd::store(by_inputs + j * LANES, simd::splat(0.0));
    for (int k = 0; k < k_eta; ++k) {
        const Vec d = simd::load(eta + k * LANES);
        bool any = false; // few passes begin at a row
        for (int lane = 0; lane < LANES; ++lane) any |= eta[k * LANES + lane] != 0.0;
        if (!any) continue;
        const double *readout = w + net.top + static_cast<long>(k) * wide;
        for (int i = 0; i < units; ++i) simd::store(H + i * LANES, simd::load(H + i * LANES) + d * readout[i]);
        if (net.skip && by_inputs) {
            const double *direct = weights + net.direct + static_cast<long>(k) * k_in;
            for (int j = 0; j < k_in; ++j)
                simd::store(by_inputs + j * LANES, simd::load(by_inputs + j * LANES) + d * direct[j]);
        }
    }
}

// A row back. inputs: whether by_inputs are wanted.
template <int V>
RNNSTATS_INLINE void row_turn(const Network &net, const Places &at, const double *w, const double *weights,
                              const double *all, bool inputs, const Passes<V> &p, long x_step) {
    for (int v = 0; v < V; ++v)
        read_back(net, w, weights, p.eta[v], p.row[v] + at.layers.back().x * LANES,
                  inputs ? p.by_inputs[v] : nullptr);
    for (int i = static_cast<int>(net.layers.size()) - 1; i >= 0; --i) {
        const Layer &l = net.layers[i];
        const Places::One &one = at.layers[i];
        RNNSTATS_WITH_CELL(l.kind, layer_turn<C, V>(l, one, all, p, x_step);)
        for (int v = 0; v < V && one.wanted > l.units; ++v) {
            double *to = i ? p.row[v] + at.layers[i - 1].x * LANES : p.by_inputs[v];
            for (int j = 0; j < l.k_in; ++j)
                simd::store(to + j * LANES, simd::load(to + j * LANES) + simd::load(p.dz + (j * V + v) * LANES));
        }
    }
}

// A row's slopes of all layers.
RNNSTATS_INLINE void row_slopes(const Network &net, const Places &at, const double *w, const double *row,
                                double *gates, double *all) {
    for (std::size_t i = 0; i < net.layers.size(); ++i) {
        const Layer &l = net.layers[i];
        const Places::One &one = at.layers[i];
        RNNSTATS_WITH_CELL(l.kind, layer_slopes<C>(l, one, w, row, gates + one.gates, all);)
    }
}

// Derivatives of each row's state by the one before (n, s, s) and by the inputs (n, s, k_in).
RNNSTATS_CELLS_CLONES inline void jacobians(const Run &run, const double *weights, double *by_state,
                                            double *by_inputs) {
    const Network &net = run.net;
    const Places at(net, true);
    const int s = net.k_state, k_in = net.k_in;
    Buffer w, all(static_cast<std::size_t>(at.matrices)), gates(static_cast<std::size_t>(at.gates));
    Buffer X(static_cast<std::size_t>(at.x) * LANES), A(static_cast<std::size_t>(s) * LANES);
    Buffer eta(static_cast<std::size_t>(net.k_eta) * LANES), inputs(static_cast<std::size_t>(k_in + 1) * LANES);
    Buffer dz(static_cast<std::size_t>(at.widest) * LANES);
    pack(net, weights, Pass::plain, &w);
    const Passes<1> p{{X.at}, {A.at}, true, {nullptr}, {eta.at}, {inputs.at}, dz.at};
    for (std::int64_t t = 0; t < run.n; ++t) {
        row_slopes(net, at, w.at, run.row(t), gates.at, all.at);
        for (int from = 0; from < s; from += LANES) {
            const int lanes = std::min(LANES, s - from);
            std::fill(X.at, X.at + at.x * LANES, 0.0);
            for (int lane = 0; lane < lanes; ++lane) X.at[at.source(net, from + lane) * LANES + lane] = 1.0;
            row_turn<1>(net, at, w.at, weights, all.at, true, p, 0);
            for (int lane = 0; lane < lanes; ++lane) {
                double *state = by_state + (t * s + from + lane) * s;
                double *input = by_inputs + (t * s + from + lane) * k_in;
                for (int i = 0; i < s; ++i) state[i] = A.at[i * LANES + lane];
                for (int j = 0; j < k_in; ++j) input[j] = inputs.at[j * LANES + lane];
            }
        }
    }
}

} // namespace cells
} // namespace rnnstats
