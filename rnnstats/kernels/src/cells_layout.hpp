// Where everything lies: sizes of a network's layers, rows of its tape, weights as the loops read them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

#include "cells_elman.hpp"
#include "cells_gru.hpp"
#include "cells_lstm.hpp"

namespace rnnstats {
namespace cells {

// Runs the statements with C one of the cells; a new cell has a line here and in sizes_of.
#define RNNSTATS_WITH_CELL(kind, ...)                                                                                  \
    switch (kind) {                                                                                                    \
        case 0: { using C = Elman<Activation::tanh>; __VA_ARGS__ } break;                                              \
        case 1: { using C = Elman<Activation::relu>; __VA_ARGS__ } break;                                              \
        case 2: { using C = Elman<Activation::softplus>; __VA_ARGS__ } break;                                          \
        case 3: { using C = Elman<Activation::sigmoid>; __VA_ARGS__ } break;                                           \
        case 4: { using C = Elman<Activation::identity>; __VA_ARGS__ } break;                                          \
        case 5: { using C = GruAfter; __VA_ARGS__ } break;                                                             \
        case 6: { using C = GruBefore; __VA_ARGS__ } break;                                                            \
        case 7: { using C = Lstm<false>; __VA_ARGS__ } break;                                                          \
        default: { using C = Lstm<true>; __VA_ARGS__ } break;                                                          \
    }
constexpr int GRU_AFTER = 5, GRU_BEFORE = 6;

inline long padded(long size) { return (size + LANES - 1) / LANES * LANES; }

// Doubles that begin at a cache line.
struct Buffer {
    double *at = nullptr;
    std::size_t size = 0;
    Buffer() = default;
    explicit Buffer(std::size_t n) { resize(n); }
    Buffer(const Buffer &) = delete;
    Buffer &operator=(const Buffer &) = delete;
    Buffer(Buffer &&other) noexcept : at(other.at), size(other.size) { other.at = nullptr, other.size = 0; }
    ~Buffer() { release(); }
    // Contents are lost; zero where asked for.
    void resize(std::size_t n, bool zero = true) {
        if (n > size || at == nullptr) {
            release();
            at = static_cast<double *>(::operator new((n + LANES) * sizeof(double), std::align_val_t(64)));
            size = n;
        }
        if (zero) std::fill(at, at + n + LANES, 0.0);
    }

private:
    void release() {
        if (at) ::operator delete(at, std::align_val_t(64));
        at = nullptr;
    }
};

// The gates of a layer that are computed together: "first", and for some cells "late".
struct Stage {
    int gates = 0;
    long z = 0;       // in a tape's row: (h or what stands in its place, inputs, 1), kzp numbers
    long forward = 0; // in the weights as packed: [block][column][gate][lane]
    long back = 0;    // [block of columns][block][gate][lane][column of the block]
    long plain = 0;   // [gate][unit][column], kzp columns
};

// A gate's matrix in the flat weights: rows of gate `gate`, columns from `low` to `high`; the constant may be one
// of the extra numbers.
struct Place {
    int gate, low, high;
    bool constant_extra;
};

struct Layer {
    int kind, units, k_in, kz, kzp, blocks, saved, numbers, stages;
    bool memory;
    long matrix, extra, state; // in the flat weights and the state
    Stage stage[2];
    long save, h, c; // in a tape's row
    long p;          // extra numbers as packed
    int wide() const { return blocks * LANES; }
    int lanes(int block) const { return std::min(LANES, units - block * LANES); }

    Place place(int s, int gate) const {
        if (kind == GRU_BEFORE && s == 1) return {2, 0, kz, false};
        if (kind == GRU_AFTER && gate == 2) return {2, units, kz, false};
        if (kind == GRU_AFTER && gate == 3) return {2, 0, units, true};
        return {gate, 0, kz, false};
    }
};

struct Network {
    int k_in = 0, k_eta = 0, k_state = 0;
    bool skip = false;
    long size = 0, readout = 0, direct = 0, constant = 0; // in the flat weights
    long stride = 0;                                      // of a tape's row
    long packed = 0;                                      // length of the packed weights
    long top = 0;                                         // readout as packed: [eta][unit]
    std::vector<Layer> layers;

    // description: k_in, k_eta, skip, layers, then (kind, units) of each
    explicit Network(const std::int64_t *d)
        : k_in(static_cast<int>(d[0])), k_eta(static_cast<int>(d[1])), skip(d[2] != 0) {
        int below = k_in;
        for (std::int64_t i = 0; i < d[3]; ++i) {
            add(static_cast<int>(d[4 + 2 * i]), static_cast<int>(d[5 + 2 * i]), below);
            below = layers.back().units;
        }
        readout = size;
        direct = readout + static_cast<long>(k_eta) * below;
        constant = direct + (skip ? static_cast<long>(k_eta) * k_in : 0);
        size = constant + k_eta;
        top = packed;
        packed += padded(below) * k_eta;
    }

    const Layer &last() const { return layers.back(); }
    long columns() const { return size + k_state; }

private:
    long take(long *at, long length) {
        const long from = *at;
        *at += padded(length);
        return from;
    }

    void add(int kind, int units, int below) {
        Layer l{};
        l.kind = kind, l.units = units, l.k_in = below, l.kz = units + below + 1;
        l.kzp = static_cast<int>(padded(l.kz)), l.blocks = static_cast<int>(padded(units)) / LANES;
        int late = 0;
        RNNSTATS_WITH_CELL(kind, l.stage[0].gates = C::first; late = C::late; l.saved = C::saved; l.memory = C::memory;
                           l.numbers = C::numbers;)
        l.stage[1].gates = late;
        l.stages = late ? 2 : 1;
        const int flat_gates = kind == GRU_AFTER ? 3 : l.stage[0].gates + late;
        l.matrix = size, l.extra = size + static_cast<long>(flat_gates) * units * l.kz;
        size = l.extra + (kind == GRU_AFTER ? 1 : l.numbers) * units;
        l.state = k_state;
        k_state += (l.memory ? 2 : 1) * units;
        for (int s = 0; s < l.stages; ++s) {
            Stage &g = l.stage[s];
            const long rows = static_cast<long>(g.gates) * l.wide();
            g.z = take(&stride, l.kzp);
            g.forward = take(&packed, rows * l.kz);
            g.back = take(&packed, rows * l.kzp);
            g.plain = take(&packed, static_cast<long>(g.gates) * units * l.kzp);
        }
        l.p = take(&packed, static_cast<long>(l.numbers) * l.wide());
        l.save = take(&stride, static_cast<long>(l.saved) * l.wide());
        l.h = take(&stride, l.wide());
        l.c = l.memory ? take(&stride, l.wide()) : 0;
        layers.push_back(l);
    }
};

// Calls f(flat index, stage, gate, unit, column) for every weight of a layer's gates.
template <class F>
inline void each_weight(const Layer &l, F f) {
    for (int s = 0; s < l.stages; ++s)
        for (int g = 0; g < l.stage[s].gates; ++g) {
            const Place at = l.place(s, g);
            for (int i = 0; i < l.units; ++i) {
                const long row = l.matrix + static_cast<long>(at.gate * l.units + i) * l.kz;
                for (int c = at.low; c < at.high; ++c) f(row + c, s, g, i, c);
                if (at.constant_extra) f(l.extra + i, s, g, i, l.kz - 1);
            }
        }
}

enum class Pass { forward, back, plain };

inline void pack(const Network &net, const double *weights, Pass pass, Buffer *out) {
    out->resize(static_cast<std::size_t>(net.packed));
    double *to = out->at;
    for (const Layer &l : net.layers) {
        each_weight(l, [&](long from, int s, int g, int i, int c) {
            const Stage &stage = l.stage[s];
            const int b = i / LANES, lane = i % LANES, G = stage.gates;
            long at = 0;
            if (pass == Pass::forward) at = stage.forward + ((static_cast<long>(b) * l.kz + c) * G + g) * LANES + lane;
            else if (pass == Pass::plain) at = stage.plain + static_cast<long>(g * l.units + i) * l.kzp + c;
            else {
                const long row = ((static_cast<long>(c / LANES) * l.blocks + b) * G + g) * LANES + lane;
                at = stage.back + row * LANES + c % LANES;
            }
            to[at] = weights[from];
        });
        for (int j = 0; j < l.numbers; ++j)
            std::copy(weights + l.extra + j * l.units, weights + l.extra + (j + 1) * l.units, to + l.p + j * l.wide());
    }
    const int units = net.last().units;
    for (int k = 0; k < net.k_eta; ++k)
        std::copy(weights + net.readout + k * units, weights + net.readout + (k + 1) * units,
                  to + net.top + k * net.last().wide());
}

struct Feedback {
    int count = 0;
    int mean = 0; // identity, exp, logistic, softmax
    const std::int64_t *columns = nullptr, *lags = nullptr, *components = nullptr;
    const double *shift = nullptr, *scale = nullptr;

    double value(int i, const double *eta, int k_eta) const {
        return (mean_of(components[i], eta, k_eta) - shift[i]) / scale[i];
    }

    double mean_of(std::int64_t j, const double *eta, int k_eta) const {
        if (mean == 0) return eta[j];
        if (mean == 1) return std::exp(eta[j]);
        if (mean == 2) {
            const double e = std::exp(-std::fabs(eta[j]));
            return (eta[j] < 0.0 ? e : 1.0) / (1.0 + e);
        }
        double top = 0.0;
        for (int k = 0; k < k_eta; ++k) top = eta[k] > top ? eta[k] : top;
        double sum = std::exp(-top);
        for (int k = 0; k < k_eta; ++k) sum += std::exp(eta[k] - top);
        return std::exp(eta[j] - top) / sum;
    }

    // out (k_eta): derivative of the input by eta.
    void slopes(int i, const double *eta, int k_eta, double *out) const {
        const std::int64_t j = components[i];
        std::fill(out, out + k_eta, 0.0);
        if (mean == 0) out[j] = 1.0 / scale[i];
        else if (mean == 1) out[j] = std::exp(eta[j]) / scale[i];
        else if (mean == 2) {
            const double e = std::exp(-std::fabs(eta[j]));
            out[j] = e / ((1.0 + e) * (1.0 + e)) / scale[i];
        } else {
            const double own = mean_of(j, eta, k_eta);
            for (int k = 0; k < k_eta; ++k) out[k] = -own * mean_of(k, eta, k_eta) / scale[i];
            out[j] += own / scale[i];
        }
    }
};

// One run: what came in, what came out, and the tape, one row an observation, then one a sequence for what was
// before it.
struct Run {
    Network net;
    std::int64_t n = 0;
    int sequences = 0;
    const std::int64_t *offsets = nullptr;
    const double *given = nullptr, *initial = nullptr;
    double *states = nullptr, *eta = nullptr, *filled = nullptr;
    Feedback feedback;
    std::vector<double> eta_before; // (sequences, k_eta): of the initial states
    std::int64_t longest = 0;       // largest lag with which a gap was filled
    Buffer tape;

    explicit Run(const std::int64_t *description) : net(description) {}
    double *row(std::int64_t t) { return tape.at + t * net.stride; }
    const double *row(std::int64_t t) const { return tape.at + t * net.stride; }
    const double *before(std::int64_t t, int sequence) const {
        return t > offsets[sequence] ? row(t - 1) : row(n + sequence);
    }
    const double *eta_at(std::int64_t t, int sequence) const {
        if (t >= offsets[sequence]) return eta + t * net.k_eta;
        return eta_before.data() + static_cast<long>(sequence) * net.k_eta;
    }
    bool gap(std::int64_t t, int i) const { return std::isnan(given[t * net.k_in + feedback.columns[i]]); }
};

} // namespace cells
} // namespace rnnstats
