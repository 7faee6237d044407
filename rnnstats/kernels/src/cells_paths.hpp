// One step of many paths, which may have weights of their own; lanes of the vectors are paths.
#pragma once

#include "cells_layout.hpp"

namespace rnnstats {
namespace cells {

// `count` numbers of eight rows, as vectors over the rows.
RNNSTATS_INLINE void gather(const double *const *rows, long at, int count, double *out) {
    for (int c = 0; c < count; c += LANES) {
        Vec x[LANES];
        if (c + LANES <= count) {
            RNNSTATS_UNROLL
            for (int lane = 0; lane < LANES; ++lane) x[lane] = simd::load(rows[lane] + at + c);
        } else
            for (int lane = 0; lane < LANES; ++lane) {
                double part[LANES] = {};
                for (int i = c; i < count; ++i) part[i - c] = rows[lane][at + i];
                x[lane] = simd::load(part);
            }
        simd::transpose(x);
        for (int i = 0; i < LANES && c + i < count; ++i) simd::store(out + (c + i) * LANES, x[i]);
    }
}

RNNSTATS_INLINE void scatter(const double *from, int count, int lanes, double *const *rows) {
    for (int lane = 0; lane < lanes; ++lane)
        for (int i = 0; i < count; ++i) rows[lane][i] = from[i * LANES + lane];
}

struct Paths {
    const Network &net;
    const double *weights; // (P,), or (m, P)
    bool own;
    const double *packed;      // plain, where all paths have the same
    const double *numbers[LANES]; // each path's weights
    double *panel;             // a row of eight paths' weights

    // Vector over the paths of sum over columns low to high of W z, z [column][lane].
    RNNSTATS_INLINE Vec row(const Layer &l, int stage, int gate, int unit, const double *z) const {
        Vec sum[2] = {simd::splat(0.0), simd::splat(0.0)};
        if (!own) {
            const double *w = packed + l.stage[stage].plain + static_cast<long>(gate * l.units + unit) * l.kzp;
            int c = 0;
            for (; c + 2 <= l.kz; c += 2) {
                sum[0] += simd::load(z + c * LANES) * w[c];
                sum[1] += simd::load(z + (c + 1) * LANES) * w[c + 1];
            }
            if (c < l.kz) sum[0] += simd::load(z + c * LANES) * w[c];
            return sum[0] + sum[1];
        }
        const Place at = l.place(stage, gate);
        const long flat = l.matrix + static_cast<long>(at.gate * l.units + unit) * l.kz;
        gather(numbers, flat + at.low, at.high - at.low, panel);
        if (at.constant_extra) {
            gather(numbers, l.extra + unit, 1, panel + static_cast<long>(l.kz) * LANES);
            sum[1] = simd::load(panel + static_cast<long>(l.kz) * LANES);
        }
        for (int c = at.low; c < at.high; ++c)
            sum[0] += simd::load(z + c * LANES) * simd::load(panel + (c - at.low) * LANES);
        return sum[0] + sum[1];
    }

    RNNSTATS_INLINE Vec number(long flat) const {
        if (!own) return simd::splat(weights[flat]);
        gather(numbers, flat, 1, panel);
        return simd::load(panel);
    }
};

// z: (h, inputs, 1) of the layer; state [state][lane] in, new out.
template <class C>
RNNSTATS_INLINE void paths_layer(const Paths &p, const Layer &l, double *z, const double *state, double *out,
                                 double *save) {
    const int u = l.units;
    for (int i = 0; i < u; ++i) {
        Vec a[C::first], saved[C::saved], extra[C::numbers + 1], new_h, new_c;
        const Vec h = simd::load(state + i * LANES);
        for (int g = 0; g < C::first; ++g) a[g] = p.row(l, 0, g, i, z);
        if constexpr (C::late > 0) {
            C::step_first(a, h, saved, &new_h);
            for (int j = 0; j < C::saved_first; ++j) simd::store(save + (i * C::saved + j) * LANES, saved[j]);
            simd::store(out + i * LANES, new_h);
        } else {
            for (int j = 0; j < C::numbers; ++j) extra[j] = p.number(l.extra + j * u + i);
            C::step(a, extra, h, C::memory ? simd::load(state + (u + i) * LANES) : h, saved, &new_h, &new_c);
            simd::store(out + i * LANES, new_h);
            if constexpr (C::memory) simd::store(out + (u + i) * LANES, new_c);
        }
    }
    if constexpr (C::late > 0) {
        for (int i = 0; i < u; ++i) simd::store(z + i * LANES, simd::load(out + i * LANES));
        for (int i = 0; i < u; ++i) {
            Vec a[C::late], saved[C::saved], new_h;
            for (int j = 0; j < C::saved_first; ++j) saved[j] = simd::load(save + (i * C::saved + j) * LANES);
            for (int g = 0; g < C::late; ++g) a[g] = p.row(l, 1, g, i, z);
            C::step_late(a, simd::load(state + i * LANES), saved, &new_h);
            simd::store(out + i * LANES, new_h);
        }
    }
}

RNNSTATS_CELLS_CLONES inline void step_paths(const Network &net, const double *weights, bool own, std::int64_t m,
                                             const double *state, const double *inputs, double *new_state,
                                             double *eta) {
    Buffer packed, work;
    if (!own) pack(net, weights, Pass::plain, &packed);
    int widest = 0, most = 0;
    for (const Layer &l : net.layers) widest = std::max(widest, l.kzp), most = std::max(most, l.saved * l.units);
    const long s = net.k_state;
    work.resize(static_cast<std::size_t>((2 * s + 2 * widest + LANES + net.k_in + net.k_eta + most) * LANES));
    double *old = work.at, *now = old + s * LANES, *z = now + s * LANES, *panel = z + widest * LANES;
    double *in = panel + (widest + LANES) * LANES, *out = in + net.k_in * LANES, *save = out + net.k_eta * LANES;
    Paths p{net, weights, own, packed.at, {}, panel};
    for (std::int64_t from = 0; from < m; from += LANES) {
        const int lanes = static_cast<int>(std::min<std::int64_t>(LANES, m - from));
        const double *states[LANES], *rows[LANES];
        double *to_state[LANES], *to_eta[LANES];
        for (int lane = 0; lane < LANES; ++lane) {
            const std::int64_t path = from + std::min(lane, lanes - 1);
            states[lane] = state + path * s, rows[lane] = inputs + path * net.k_in;
            to_state[lane] = new_state + path * s, to_eta[lane] = eta + path * net.k_eta;
            p.numbers[lane] = own ? weights + path * net.size : weights;
        }
        gather(states, 0, static_cast<int>(s), old);
        gather(rows, 0, net.k_in, in);
        const double *below = in;
        for (const Layer &l : net.layers) {
            std::memcpy(z, old + l.state * LANES, sizeof(double) * l.units * LANES);
            std::memcpy(z + l.units * LANES, below, sizeof(double) * l.k_in * LANES);
            simd::store(z + (l.kz - 1) * LANES, simd::splat(1.0));
            RNNSTATS_WITH_CELL(l.kind, paths_layer<C>(p, l, z, old + l.state * LANES, now + l.state * LANES, save);)
            below = now + l.state * LANES;
        }
        const int units = net.last().units;
        for (int k = 0; k < net.k_eta; ++k) {
            Vec sum = p.number(net.constant + k);
            for (int i = 0; i < units; ++i)
                sum += p.number(net.readout + k * units + i) * simd::load(below + i * LANES);
            if (net.skip)
                for (int j = 0; j < net.k_in; ++j)
                    sum += p.number(net.direct + k * net.k_in + j) * simd::load(in + j * LANES);
            simd::store(out + k * LANES, sum);
        }
        scatter(now, static_cast<int>(s), lanes, to_state);
        scatter(out, net.k_eta, lanes, to_eta);
    }
}

} // namespace cells
} // namespace rnnstats
