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

// sum [column][v] += sum over k of d [k][lane] z [k][column] in the groups v: the one product of all that follows.
template <int N, int V>
RNNSTATS_INLINE void product(const double *const *d, long d_step, const double *z, long z_step, int from, int to,
                             Vec (*sum)[2]) {
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
            for (int v = 0; v < V; ++v) sum[x][v] += one[v] * z[x];
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
    for (int c = 0; c < wanted; c += LANES) {
        bool zeros[C::first]; // gates with zeros in these columns
        for (int g = 0; g < C::first; ++g) {
            const Place place = l.place(0, g);
            zeros[g] = place.low >= c + LANES || place.high <= c;
        }
        for (int i = 0; i < u; ++i) {
            Vec sum[C::sources];
            for (int x = 0; x < C::sources; ++x) sum[x] = simd::splat(0.0);
            RNNSTATS_UNROLL
            for (int g = 0; g < C::first; ++g)
                if (!zeros[g])
                    sum[C::source(g)] += simd::load(W + static_cast<long>(g * u + i) * kzp + c) * gates[g * wide + i];
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

// out [column][v] = M' of the sources.
template <int V>
RNNSTATS_INLINE void turned(const double *const *d, const double *M, long width, int rows, int columns, bool more,
                            double *out) {
    int c = 0;
    for (; c + 4 < columns; c += LANES) {
        Vec sum[LANES][2];
        no_sum<LANES>(sum);
        if (more)
            for (int x = 0; x < LANES * V; ++x) sum[x / V][x % V] = simd::load(out + (c * V + x) * LANES);
        product<LANES, V>(d, LANES, M + c, width, 0, rows, sum);
        RNNSTATS_UNROLL
        for (int x = 0; x < LANES; ++x)
            for (int v = 0; v < V; ++v) simd::store(out + ((c + x) * V + v) * LANES, sum[x][v]);
    }
    if (c < columns) {
        Vec sum[4][2];
        no_sum<4>(sum);
        if (more)
            for (int x = 0; x < 4 * V; ++x) sum[x / V][x % V] = simd::load(out + (c * V + x) * LANES);
        product<4, V>(d, LANES, M + c, width, 0, rows, sum);
        RNNSTATS_UNROLL
        for (int x = 0; x < 4; ++x)
            for (int v = 0; v < V; ++v) simd::store(out + ((c + x) * V + v) * LANES, sum[x][v]);
    }
}

// V groups of eight passes.
template <int V>
struct Passes {
    double *A[V];           // adjoints of the state, [state][lane], replaced by those of the row before
    const double *eta[V];   // adjoints of the row's eta, [eta][lane]
    double *x[V];           // sources of the row, x_step from one to the next; null: not kept
    double *by_inputs[V];   // set where wanted
    double *dz, *q[V];      // scratch
};

// One layer and row back. (Sizes are copied: the compiler believes that vectors' stores can change them.)
template <class C, int V>
RNNSTATS_INLINE void layer_turn(const Layer &l, const Places::One &at, const double *all, const Passes<V> &p,
                                long x_step) {
    const int u = l.units, wide = l.wide(), rows = at.rows, wanted = at.wanted;
    const long width = at.width();
    const double *carry = all + at.carry, *matrix = all + at.matrix, *late = all + at.late, *d[V], *q[V];
    double *H[V];
    for (int v = 0; v < V; ++v) H[v] = p.A[v] + l.state * LANES, d[v] = H[v], q[v] = p.q[v];
    double *dz = p.dz;
    if constexpr (C::memory)
        for (int v = 0; v < V; ++v) {
            double *M = H[v] + static_cast<long>(u) * LANES;
            for (int i = 0; i < u; ++i)
                simd::store(M + i * LANES, simd::load(M + i * LANES) + simd::load(H[v] + i * LANES) * carry[i]);
        }
    if constexpr (C::late > 0) {
        turned<V>(d, late, width, u, u, false, dz);
        for (int v = 0; v < V; ++v) {
            double *to = p.q[v];
            for (int i = 0; i < u; ++i) simd::store(to + i * LANES, simd::load(dz + (i * V + v) * LANES));
        }
    }
    for (int v = 0; v < V && p.x[0]; ++v) {
        double *to = p.x[v] + at.x * x_step;
        const int from_state = C::late > 0 ? u : rows;
        for (int i = 0; i < from_state; ++i, to += x_step) simd::store(to, simd::load(d[v] + i * LANES));
        for (int i = 0; i < rows - from_state; ++i, to += x_step) simd::store(to, simd::load(q[v] + i * LANES));
    }
    turned<V>(d, matrix, width, C::late > 0 ? u : rows, wanted, false, dz);
    if constexpr (C::late > 0) turned<V>(q, matrix + u * width, width, u, wanted, true, dz);
    for (int v = 0; v < V; ++v) {
        double *to = H[v];
        for (int i = 0; i < u; ++i) simd::store(to + i * LANES, simd::load(dz + (i * V + v) * LANES));
        if constexpr (C::memory)
            for (int i = 0; i < u; ++i)
                simd::store(to + (u + i) * LANES, simd::load(to + (u + i) * LANES) * carry[wide + i]);
    }
}

// Adds what an eta's adjoint gives to the top layer's, and to the inputs' where they are wanted.
RNNSTATS_INLINE void read_back(const Network &net, const double *w, const double *weights, const double *eta,
                               double *A, double *by_inputs) {
    const Layer &top = net.last();
    const int k_in = net.k_in, k_eta = net.k_eta, units = top.units, wide = top.wide();
    double *H = A + top.state * LANES;
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
    for (int v = 0; v < V; ++v) read_back(net, w, weights, p.eta[v], p.A[v], inputs ? p.by_inputs[v] : nullptr);
    for (int i = static_cast<int>(net.layers.size()) - 1; i >= 0; --i) {
        const Layer &l = net.layers[i];
        const Places::One &one = at.layers[i];
        RNNSTATS_WITH_CELL(l.kind, layer_turn<C, V>(l, one, all, p, x_step);)
        for (int v = 0; v < V && one.wanted > l.units; ++v) {
            double *to = i ? p.A[v] + net.layers[i - 1].state * LANES : p.by_inputs[v];
            for (int j = 0; j < l.k_in; ++j)
                simd::store(to + j * LANES,
                            simd::load(to + j * LANES) + simd::load(p.dz + ((l.units + j) * V + v) * LANES));
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
    Buffer A(static_cast<std::size_t>(s) * LANES), eta(static_cast<std::size_t>(net.k_eta) * LANES);
    Buffer inputs(static_cast<std::size_t>(k_in + 1) * LANES), dz(static_cast<std::size_t>(at.widest) * LANES);
    Buffer q(static_cast<std::size_t>(at.widest) * LANES);
    pack(net, weights, Pass::plain, &w);
    const Passes<1> p{{A.at}, {eta.at}, {nullptr}, {inputs.at}, dz.at, {q.at}};
    for (std::int64_t t = 0; t < run.n; ++t) {
        row_slopes(net, at, w.at, run.row(t), gates.at, all.at);
        for (int from = 0; from < s; from += LANES) {
            const int lanes = std::min(LANES, s - from);
            std::fill(A.at, A.at + static_cast<long>(s) * LANES, 0.0);
            for (int lane = 0; lane < lanes; ++lane) A.at[(from + lane) * LANES + lane] = 1.0;
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
