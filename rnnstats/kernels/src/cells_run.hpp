// The forward pass and the reverse pass: one sequence of steps, lanes of the vectors are units.
#pragma once

#include "cells_layout.hpp"

namespace rnnstats {
namespace cells {

// Arguments of G gates of a block of units: W [column][gate][lane], first the inputs, which do not wait for h.
template <int G>
RNNSTATS_INLINE void gate_sums(const double *W, const double *h, int units, const double *inputs, int k, Vec *a) {
    constexpr int CHAINS = G == 1 ? 4 : 2;
    Vec sum[CHAINS][G];
    RNNSTATS_UNROLL
    for (int x = 0; x < CHAINS; ++x)
        RNNSTATS_UNROLL
        for (int g = 0; g < G; ++g) sum[x][g] = simd::splat(0.0);
    const double *from[2] = {inputs, h};
    const int count[2] = {k, units};
    const double *block[2] = {W + static_cast<long>(units) * G * LANES, W};
    for (int part = 0; part < 2; ++part) {
        int c = 0;
        const double *w = block[part], *z = from[part];
        for (; c + CHAINS <= count[part]; c += CHAINS)
            RNNSTATS_UNROLL
            for (int x = 0; x < CHAINS; ++x) {
                const Vec seen = simd::splat(z[c + x]);
                RNNSTATS_UNROLL
                for (int g = 0; g < G; ++g) sum[x][g] += simd::load(w + ((c + x) * G + g) * LANES) * seen;
            }
        for (; c < count[part]; ++c) {
            const Vec seen = simd::splat(z[c]);
            RNNSTATS_UNROLL
            for (int g = 0; g < G; ++g) sum[0][g] += simd::load(w + (c * G + g) * LANES) * seen;
        }
    }
    RNNSTATS_UNROLL
    for (int g = 0; g < G; ++g) {
        a[g] = sum[0][g] + sum[1][g];
        if constexpr (CHAINS == 4) a[g] += sum[2][g] + sum[3][g];
    }
}

// One step of one layer; the inputs and the 1 are in the row's z already.
template <class C>
RNNSTATS_INLINE void layer_step(const Layer &l, const double *w, const double *before, double *row) {
    double *z = row + l.stage[0].z;
    const double *h = before + l.h;
    const int k = l.k_in + 1;
    for (int b = 0; b < l.blocks; ++b) {
        Vec a[C::first], saved[C::saved], p[C::numbers + 1], new_h, new_c = simd::splat(0.0);
        const Vec old = simd::load(h + b * LANES);
        gate_sums<C::first>(w + l.stage[0].forward + static_cast<long>(b) * l.kz * C::first * LANES, h, l.units,
                            z + l.units, k, a);
        if constexpr (C::late > 0) {
            C::step_first(a, old, saved, &new_h);
            simd::store(row + l.stage[1].z + b * LANES, new_h); // q; its inputs come after
        } else {
            for (int j = 0; j < C::numbers; ++j) p[j] = simd::load(w + l.p + j * l.wide() + b * LANES);
            const Vec c = C::memory ? simd::load(before + l.c + b * LANES) : new_c;
            C::step(a, p, old, c, saved, &new_h, &new_c);
            simd::store(row + l.h + b * LANES, new_h);
            if constexpr (C::memory) simd::store(row + l.c + b * LANES, new_c);
        }
        RNNSTATS_UNROLL
        for (int j = 0; j < C::saved_first; ++j) simd::store(row + l.save + (j * l.blocks + b) * LANES, saved[j]);
    }
    if constexpr (C::late > 0) {
        double *q = row + l.stage[1].z;
        std::memcpy(q + l.units, z + l.units, sizeof(double) * k);
        for (int b = 0; b < l.blocks; ++b) {
            Vec a[C::late], saved[C::saved], new_h;
            for (int j = 0; j < C::saved_first; ++j)
                saved[j] = simd::load(row + l.save + (j * l.blocks + b) * LANES);
            gate_sums<C::late>(w + l.stage[1].forward + static_cast<long>(b) * l.kz * C::late * LANES, q, l.units,
                               q + l.units, k, a);
            C::step_late(a, simd::load(h + b * LANES), saved, &new_h);
            for (int j = C::saved_first; j < C::saved; ++j)
                simd::store(row + l.save + (j * l.blocks + b) * LANES, saved[j]);
            simd::store(row + l.h + b * LANES, new_h);
        }
    }
}

// eta of a row of the tape.
RNNSTATS_INLINE void read_out(const Network &net, const double *w, const double *weights, const double *h,
                              const double *inputs, double *eta) {
    const int wide = net.last().wide();
    for (int k = 0; k < net.k_eta; ++k) {
        const double *v = w + net.top + static_cast<long>(k) * wide;
        Vec sum = simd::load(h) * simd::load(v);
        for (int c = LANES; c < wide; c += LANES) sum += simd::load(h + c) * simd::load(v + c);
        double value = simd::sum_of(sum) + weights[net.constant + k];
        if (net.skip && inputs)
            for (int j = 0; j < net.k_in; ++j) value += weights[net.direct + k * net.k_in + j] * inputs[j];
        eta[k] = value;
    }
}

// A row of the tape made of the state before a sequence. Pads of h may hold anything finite: they are zero.
inline void begin_row(const Network &net, const double *state, double *row) {
    for (const Layer &l : net.layers) {
        std::copy(state + l.state, state + l.state + l.units, row + l.h);
        if (l.memory) std::copy(state + l.state + l.units, state + l.state + 2 * l.units, row + l.c);
    }
}

RNNSTATS_CELLS_CLONES inline void forward_rows(Run &run, const double *w, const double *weights) {
    const Network &net = run.net;
    const int k_in = net.k_in, k_eta = net.k_eta;
    for (int sequence = 0; sequence < run.sequences; ++sequence) {
        const std::int64_t first = run.offsets[sequence], end = run.offsets[sequence + 1];
        const double *before = run.row(run.n + sequence);
        if (run.feedback.count)
            read_out(net, w, weights, before + net.last().h, nullptr,
                     run.eta_before.data() + static_cast<long>(sequence) * k_eta);
        for (std::int64_t t = first; t < end; ++t) {
            double *row = run.row(t), *filled = run.filled + t * k_in;
            for (int j = 0; j < k_in; ++j) filled[j] = run.given[t * k_in + j];
            for (int i = 0; i < run.feedback.count; ++i)
                if (run.gap(t, i)) {
                    const std::int64_t lag = run.feedback.lags[i];
                    filled[run.feedback.columns[i]] = run.feedback.value(i, run.eta_at(t - lag, sequence), k_eta);
                    run.longest = std::max(run.longest, lag);
                }
            const double *below = filled;
            for (const Layer &l : net.layers) {
                double *z = row + l.stage[0].z;
                for (int c = 0; c < l.wide(); c += LANES) simd::store(z + c, simd::load(before + l.h + c));
                for (int j = 0; j < l.k_in; ++j) z[l.units + j] = below[j];
                z[l.kz - 1] = 1.0;
                for (int c = l.kz; c < l.kzp; ++c) z[c] = 0.0;
                RNNSTATS_WITH_CELL(l.kind, layer_step<C>(l, w, before, row);)
                below = row + l.h;
                double *state = run.states + t * net.k_state + l.state;
                for (int j = 0; j < l.units; ++j) state[j] = row[l.h + j];
                if (l.memory)
                    for (int j = 0; j < l.units; ++j) state[l.units + j] = row[l.c + j];
            }
            read_out(net, w, weights, below, filled, run.eta + t * k_eta);
            before = row;
        }
    }
}

// Fills states, eta, filled inputs and the tape.
inline void run_forward(Run &run, const double *weights) {
    const Network &net = run.net;
    run.tape.resize(static_cast<std::size_t>((run.n + run.sequences) * net.stride), false);
    std::fill(run.row(run.n), run.row(run.n + run.sequences), 0.0);
    for (int i = 0; i < run.sequences; ++i)
        begin_row(net, run.initial + static_cast<long>(i) * net.k_state, run.row(run.n + i));
    run.eta_before.assign(static_cast<std::size_t>(run.sequences) * net.k_eta, 0.0);
    run.longest = 0;
    Buffer w;
    pack(net, weights, Pass::forward, &w);
    forward_rows(run, w.at, weights);
}

// dz = W' da of one stage, all columns; da [block][gate][lane].
template <int G>
RNNSTATS_INLINE void turn_back(const Layer &l, const double *W, const double *da, double *dz) {
    const long wide = static_cast<long>(l.blocks) * G * LANES * LANES;
    const int count = l.kzp / LANES;
    int c = 0;
    for (; c + 2 <= count; c += 2) {
        Vec sum[2][4];
        RNNSTATS_UNROLL
        for (int x = 0; x < 8; ++x) sum[x / 4][x % 4] = simd::splat(0.0);
        for (int b = 0; b < l.blocks; ++b)
            for (int g = 0; g < G; ++g) {
                const double *d = da + (b * G + g) * LANES;
                const double *w = W + c * wide + static_cast<long>(b * G + g) * LANES * LANES;
                if (l.lanes(b) == LANES) {
                    RNNSTATS_UNROLL
                    for (int i = 0; i < LANES; ++i) {
                        const Vec one = simd::splat(d[i]);
                        sum[0][i % 4] += simd::load(w + i * LANES) * one;
                        sum[1][i % 4] += simd::load(w + wide + i * LANES) * one;
                    }
                } else
                    for (int i = 0; i < l.lanes(b); ++i) {
                        const Vec one = simd::splat(d[i]);
                        sum[0][g % 4] += simd::load(w + i * LANES) * one;
                        sum[1][g % 4] += simd::load(w + wide + i * LANES) * one;
                    }
            }
        simd::store(dz + c * LANES, (sum[0][0] + sum[0][1]) + (sum[0][2] + sum[0][3]));
        simd::store(dz + (c + 1) * LANES, (sum[1][0] + sum[1][1]) + (sum[1][2] + sum[1][3]));
    }
    if (c < count) {
        Vec sum[4];
        RNNSTATS_UNROLL
        for (int x = 0; x < 4; ++x) sum[x] = simd::splat(0.0);
        for (int b = 0; b < l.blocks; ++b) {
            const double *d = da + b * G * LANES, *w = W + c * wide + static_cast<long>(b) * G * LANES * LANES;
            for (int i = 0; i < l.lanes(b); ++i)
                RNNSTATS_UNROLL
                for (int g = 0; g < G; ++g) // a chain a gate
                    sum[G == 1 ? 0 : g % 4] += simd::load(w + (g * LANES + i) * LANES) * simd::splat(d[g * LANES + i]);
        }
        simd::store(dz + c * LANES, (sum[0] + sum[1]) + (sum[2] + sum[3]));
    }
}

// C [block][gate][lane][column] += sum over rows of da z'.
template <int COLUMNS>
RNNSTATS_INLINE void outer_tile(const double *da, long step, const double *z, long stride, int rows, double *C,
                                int kzp) {
    Vec sum[4][COLUMNS];
    RNNSTATS_UNROLL
    for (int i = 0; i < 4; ++i)
        RNNSTATS_UNROLL
        for (int x = 0; x < COLUMNS; ++x) sum[i][x] = simd::load(C + i * kzp + x * LANES);
    for (int t = 0; t < rows; ++t, da += step, z += stride) {
        Vec seen[COLUMNS];
        RNNSTATS_UNROLL
        for (int x = 0; x < COLUMNS; ++x) seen[x] = simd::load(z + x * LANES);
        RNNSTATS_UNROLL
        for (int i = 0; i < 4; ++i) {
            const Vec one = simd::splat(da[i]);
            RNNSTATS_UNROLL
            for (int x = 0; x < COLUMNS; ++x) sum[i][x] += seen[x] * one;
        }
    }
    RNNSTATS_UNROLL
    for (int i = 0; i < 4; ++i)
        RNNSTATS_UNROLL
        for (int x = 0; x < COLUMNS; ++x) simd::store(C + i * kzp + x * LANES, sum[i][x]);
}

// Adjoints of one chunk of rows, and what they are added to.
struct Reverse {
    static constexpr int CHUNK = 64;
    Buffer da, sums, scratch, extra;
    long dq = 0;
    std::vector<long> da_at, sums_at; // [layer * 2 + stage]; per row of the chunk da has `step` numbers
    std::vector<long> h_at;           // scratch of a layer: dh, dc
    long step = 0, dz = 0;

    explicit Reverse(const Network &net) {
        long total = 0, used = 0, numbers = 0;
        for (const Layer &l : net.layers) {
            for (int s = 0; s < 2; ++s) {
                da_at.push_back(step);
                sums_at.push_back(total);
                step += static_cast<long>(l.stage[s].gates) * l.wide();
                total += static_cast<long>(l.stage[s].gates) * l.wide() * l.kzp;
            }
            h_at.push_back(used);
            used += 2 * l.wide();
            numbers += static_cast<long>(l.numbers) * l.wide();
        }
        dz = used;
        long widest = 0;
        for (const Layer &l : net.layers) widest = std::max<long>(widest, l.kzp);
        dq = dz + widest + LANES;
        scratch.resize(static_cast<std::size_t>(dq + widest + LANES));
        da.resize(static_cast<std::size_t>(step * CHUNK));
        sums.resize(static_cast<std::size_t>(total));
        extra.resize(static_cast<std::size_t>(numbers));
    }
};

// dh, dc: adjoints of the layer's state, replaced by those of the row before. dz: of what the layer has seen.
template <class C>
RNNSTATS_INLINE void layer_back(const Layer &l, const double *w, const double *before, const double *row, double *dh,
                                double *dc, double *da, double *da_late, double *dz, double *dq, double *extra) {
    const double *saved_at = row + l.save;
    if constexpr (C::late > 0) {
        for (int b = 0; b < l.blocks; ++b) {
            Vec saved[C::saved], d[C::late];
            for (int j = 0; j < C::saved; ++j) saved[j] = simd::load(saved_at + (j * l.blocks + b) * LANES);
            C::adjoint_late(saved, simd::load(dh + b * LANES), d);
            for (int g = 0; g < C::late; ++g) simd::store(da_late + (b * C::late + g) * LANES, d[g]);
        }
        turn_back<C::late>(l, w + l.stage[1].back, da_late, dq);
    }
    for (int b = 0; b < l.blocks; ++b) {
        Vec saved[C::saved], d[C::first], p[C::numbers + 1], direct, earlier;
        const Vec slope = simd::load(dh + b * LANES);
        RNNSTATS_UNROLL
        for (int j = 0; j < C::saved; ++j) saved[j] = simd::load(saved_at + (j * l.blocks + b) * LANES);
        if constexpr (C::late > 0) {
            C::adjoint_first(saved, slope, simd::load(dq + b * LANES), d, &direct);
        } else {
            for (int j = 0; j < C::numbers; ++j) p[j] = simd::load(w + l.p + j * l.wide() + b * LANES);
            C::adjoint(saved, p, slope, C::memory ? simd::load(dc + b * LANES) : slope, d, &direct, &earlier);
            if constexpr (C::memory) simd::store(dc + b * LANES, earlier);
            if constexpr (C::numbers == 3) {
                const Vec c = simd::load(before + l.c + b * LANES), c_new = simd::load(row + l.c + b * LANES);
                const Vec by[3] = {d[0] * c, d[1] * c, d[3] * c_new};
                for (int j = 0; j < 3; ++j) {
                    double *to = extra + j * l.wide() + b * LANES;
                    simd::store(to, simd::load(to) + by[j]);
                }
            }
        }
        RNNSTATS_UNROLL
        for (int g = 0; g < C::first; ++g) simd::store(da + (b * C::first + g) * LANES, d[g]);
        simd::store(dh + b * LANES, direct);
    }
    turn_back<C::first>(l, w + l.stage[0].back, da, dz);
    for (int b = 0; b < l.blocks; ++b)
        simd::store(dh + b * LANES, simd::load(dh + b * LANES) + simd::load(dz + b * LANES));
    if constexpr (C::late > 0)
        for (int j = l.units; j < l.kz; ++j) dz[j] += dq[j];
}

// Adds the outer products of a chunk of rows, the last of which is row `last` and lies first.
RNNSTATS_CELLS_CLONES inline void add_chunk(const Run &run, Reverse &r, std::int64_t last, int rows) {
    const Network &net = run.net;
    for (std::size_t i = 0; i < net.layers.size(); ++i) {
        const Layer &l = net.layers[i];
        for (int s = 0; s < l.stages; ++s) {
            const int G = l.stage[s].gates;
            const double *da = r.da.at + r.da_at[2 * i + s], *z = run.row(last) + l.stage[s].z;
            double *C = r.sums.at + r.sums_at[2 * i + s];
            for (int b = 0; b < l.blocks; ++b)
                for (int x = 0; x < G * 2; ++x) {
                    if (x % 2 * 4 >= l.lanes(b)) continue;
                    const long at = static_cast<long>(b * G + x / 2) * LANES + x % 2 * 4;
                    int c = 0;
                    for (; c + 2 * LANES <= l.kzp; c += 2 * LANES)
                        outer_tile<2>(da + at, r.step, z + c, -net.stride, rows, C + at * l.kzp + c, l.kzp);
                    if (c < l.kzp) outer_tile<1>(da + at, r.step, z + c, -net.stride, rows, C + at * l.kzp + c, l.kzp);
                }
        }
    }
}

struct Gradient {
    double *weights, *initial, *inputs; // zero on entry
};

// Adds V' d to the adjoint of h, and d h' to the derivative by V.
RNNSTATS_INLINE void read_out_back(const Network &net, const double *w, const double *d, const double *h, double *dh,
                                   double *by_readout, double *by_constant) {
    const int wide = net.last().wide();
    for (int k = 0; k < net.k_eta; ++k) {
        const Vec one = simd::splat(d[k]);
        const double *v = w + net.top + static_cast<long>(k) * wide;
        double *to = by_readout + static_cast<long>(k) * wide;
        for (int c = 0; c < wide; c += LANES) {
            simd::store(dh + c, simd::load(dh + c) + simd::load(v + c) * one);
            simd::store(to + c, simd::load(to + c) + simd::load(h + c) * one);
        }
        by_constant[k] += d[k];
    }
}

RNNSTATS_CELLS_CLONES inline void backward_rows(const Run &run, const double *w, const double *weights, double *d_eta,
                                                 Reverse &r, double *by_readout, const Gradient &out) {
    const Network &net = run.net;
    const int k_in = net.k_in, k_eta = net.k_eta, layers = static_cast<int>(net.layers.size());
    double *top = r.scratch.at + r.h_at[layers - 1], *dz = r.scratch.at + r.dz, *dq = r.scratch.at + r.dq;
    std::vector<double> seen(k_eta), before_d(k_eta);
    for (int sequence = run.sequences - 1; sequence >= 0; --sequence) {
        const std::int64_t first = run.offsets[sequence], end = run.offsets[sequence + 1];
        std::fill(r.scratch.at, r.scratch.at + r.dz, 0.0);
        std::fill(before_d.begin(), before_d.end(), 0.0);
        int rows = 0;
        for (std::int64_t t = end - 1; t >= first; --t) {
            const double *row = run.row(t), *before = run.before(t, sequence);
            double *da = r.da.at + rows * r.step, *extra = r.extra.at;
            const double *slope = d_eta + t * k_eta;
            double *by_inputs = out.inputs + t * k_in;
            read_out_back(net, w, slope, row + net.last().h, top, by_readout, out.weights + net.constant);
            if (net.skip)
                for (int k = 0; k < k_eta; ++k)
                    for (int j = 0; j < k_in; ++j) {
                        by_inputs[j] += weights[net.direct + k * k_in + j] * slope[k];
                        out.weights[net.direct + k * k_in + j] += slope[k] * run.filled[t * k_in + j];
                    }
            for (int i = 0; i < layers; ++i) extra += net.layers[i].numbers * net.layers[i].wide();
            for (int i = layers - 1; i >= 0; --i) {
                const Layer &l = net.layers[i];
                double *dh = r.scratch.at + r.h_at[i], *dc = dh + l.wide();
                extra -= l.numbers * l.wide();
                RNNSTATS_WITH_CELL(l.kind, layer_back<C>(l, w, before, row, dh, dc, da + r.da_at[2 * i],
                                                         da + r.da_at[2 * i + 1], dz, dq, extra);)
                double *to = i ? r.scratch.at + r.h_at[i - 1] : by_inputs;
                for (int j = 0; j < l.k_in; ++j) to[j] += dz[l.units + j];
            }
            for (int i = 0; i < run.feedback.count; ++i)
                if (run.gap(t, i)) {
                    const std::int64_t past = t - run.feedback.lags[i];
                    double &owed = by_inputs[run.feedback.columns[i]];
                    double *to = past >= first ? d_eta + past * k_eta : before_d.data();
                    run.feedback.slopes(i, run.eta_at(past, sequence), k_eta, seen.data());
                    for (int k = 0; k < k_eta; ++k) to[k] += owed * seen[k];
                    owed = 0.0;
                }
            if (++rows == Reverse::CHUNK || t == first) {
                add_chunk(run, r, t + rows - 1, rows);
                rows = 0;
            }
        }
        if (run.feedback.count)
            read_out_back(net, w, before_d.data(), run.row(run.n + sequence) + net.last().h, top, by_readout,
                          out.weights + net.constant);
        double *initial = out.initial + static_cast<long>(sequence) * net.k_state;
        for (int i = 0; i < layers; ++i) {
            const Layer &l = net.layers[i];
            const double *dh = r.scratch.at + r.h_at[i];
            std::copy(dh, dh + l.units, initial + l.state);
            if (l.memory) std::copy(dh + l.wide(), dh + l.wide() + l.units, initial + l.state + l.units);
        }
    }
}

// d_eta is used up.
inline void run_backward(const Run &run, const double *weights, double *d_eta, const Gradient &out) {
    const Network &net = run.net;
    Buffer w, by_readout(static_cast<std::size_t>(net.k_eta) * net.last().wide());
    pack(net, weights, Pass::back, &w);
    Reverse r(net);
    backward_rows(run, w.at, weights, d_eta, r, by_readout.at, out);
    const double *extra = r.extra.at;
    for (std::size_t i = 0; i < net.layers.size(); ++i) {
        const Layer &l = net.layers[i];
        each_weight(l, [&](long to, int s, int g, int unit, int c) {
            const long row = (static_cast<long>(unit / LANES) * l.stage[s].gates + g) * LANES + unit % LANES;
            out.weights[to] += r.sums.at[r.sums_at[2 * i + s] + row * l.kzp + c];
        });
        for (int j = 0; j < l.numbers; ++j, extra += l.wide())
            std::copy(extra, extra + l.units, out.weights + l.extra + j * l.units);
    }
    const Layer &l = net.last();
    for (int k = 0; k < net.k_eta; ++k)
        std::copy_n(by_readout.at + static_cast<long>(k) * l.wide(), l.units, out.weights + net.readout + k * l.units);
}

} // namespace cells
} // namespace rnnstats
