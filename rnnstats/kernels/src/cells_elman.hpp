// The simple recurrent network: h_t = f(a), a = W [h_{t-1}; u_t; 1]. A template of a cell, see cells.hpp.
#pragma once

#include "cells_functions.hpp"

namespace rnnstats {
namespace cells {

enum class Activation { tanh, relu, softplus, sigmoid, identity };

template <Activation F>
struct Elman {
    static constexpr int first = 1, late = 0, saved = 1, saved_first = 1, numbers = 0;
    static constexpr bool memory = false;

    // saved: the slope f'(a)
    static RNNSTATS_INLINE void step(const Vec *a, const Vec *, Vec, Vec, Vec *saved, Vec *new_h, Vec *) {
        if constexpr (F == Activation::tanh) {
            *new_h = tanh(a[0]);
            *saved = rest(*new_h * *new_h);
        } else if constexpr (F == Activation::relu) {
            const auto on = simd::above(a[0], simd::splat(0.0));
            *new_h = unless_nan(a[0], simd::choose(on, a[0], simd::splat(0.0)));
            *saved = simd::choose(on, simd::splat(1.0), simd::splat(0.0));
        } else if constexpr (F == Activation::softplus) {
            *new_h = softplus(a[0]);
            *saved = sigmoid(a[0]);
        } else if constexpr (F == Activation::sigmoid) {
            Vec other;
            sigmoids(a[0], new_h, &other);
            *saved = *new_h * other;
        } else {
            *new_h = a[0];
            *saved = simd::splat(1.0);
        }
    }

    static RNNSTATS_INLINE void adjoint(const Vec *saved, const Vec *, Vec dh, Vec, Vec *da, Vec *direct, Vec *) {
        da[0] = dh * saved[0];
        *direct = simd::splat(0.0);
    }

    // carry: nothing
    static constexpr int sources = 1;
    static constexpr int source(int) { return 0; }
    static RNNSTATS_INLINE void slopes(const Vec *saved, const Vec *, Vec *gate, Vec *) { gate[0] = saved[0]; }
};

} // namespace cells
} // namespace rnnstats
