// Sigmoid, hyperbolic tangent and softplus of eight doubles at once, without branches, within a few units in
// the last place (tanh and softplus relative to their own size, also near zero and far below it).
#pragma once

#include "simd.hpp"

// Where compilers know no such vectors, one version of the loops, and the functions are called, not copied: these
// are a thousand operations each, and compiling would take minutes.
#if defined(RNNSTATS_VECTORS)
#define RNNSTATS_CELLS_CLONES RNNSTATS_VECTOR_CLONES
#define RNNSTATS_FUNCTION RNNSTATS_INLINE
#else
#define RNNSTATS_CELLS_CLONES
#if defined(__GNUC__)
#define RNNSTATS_FUNCTION __attribute__((noinline)) inline
#else
#define RNNSTATS_FUNCTION inline
#endif
#endif

namespace rnnstats {
namespace cells {

using simd::LANES;
using simd::Vec;

RNNSTATS_INLINE Vec negative(Vec x) { return simd::splat(0.0) - x; }
RNNSTATS_INLINE Vec minus_size(Vec x) { return simd::choose(simd::above(x, simd::splat(0.0)), negative(x), x); }
RNNSTATS_INLINE Vec rest(Vec x) { return 1.0 + negative(x); }
// x where it is not a number, else y.
RNNSTATS_INLINE Vec unless_nan(Vec x, Vec y) { return simd::choose(simd::same(x, x), y, x); }

// e^x - 1 for x <= 0, exact to the last places also near zero; -1 below -708 (and where x is not a number).
RNNSTATS_FUNCTION Vec expm1_negative(Vec x) {
    constexpr double log2e = 1.4426950408889634074, magic = 6755399441055744.0;
    constexpr double ln2_hi = 6.93145751953125e-1, ln2_lo = 1.42860682030941723212e-6;
    x = simd::maximum(x, simd::splat(-708.0));
    const Vec shifted = x * log2e + magic, n = shifted - magic;
    const Vec r = (x - n * ln2_hi) - n * ln2_lo, r2 = r * r, r4 = r2 * r2;
    // the polynomial of simd::exp_negative
    const Vec a = r * 0.16666666666666669 + 0.5000000000000001;
    const Vec b = r * 0.008333333333330062 + 0.04166666666662413;
    const Vec c = r * 0.00019841269863053618 + 0.0013888888917213717;
    const Vec d = r * 2.7557268459997064e-06 + 2.4801521295954376e-05;
    const Vec e = r * 2.510038549551032e-08 + 2.7620088445409746e-07;
    const Vec q = (b * r2 + a) + r4 * ((d * r2 + c) + r4 * e);
    const Vec power = simd::of_bits(simd::times_2_52(simd::bits_of(shifted)) + simd::bits_of(simd::splat(1.0)));
    return (q * r2 + r) * power + (power - 1.0); // 2^n (e^r - 1) + 2^n - 1
}

// 1 / (1 + e^-x), and that of -x.
RNNSTATS_FUNCTION void sigmoids(Vec x, Vec *of_x, Vec *of_minus_x) {
    const Vec e = simd::exp_negative(minus_size(x)), large = 1.0 / (e + 1.0), small = e * large;
    const auto positive = simd::above(x, simd::splat(0.0));
    *of_x = unless_nan(x, simd::choose(positive, large, small));
    *of_minus_x = unless_nan(x, simd::choose(positive, small, large));
}
RNNSTATS_FUNCTION Vec sigmoid(Vec x) {
    const Vec e = simd::exp_negative(minus_size(x)), large = 1.0 / (e + 1.0);
    return unless_nan(x, simd::choose(simd::above(x, simd::splat(0.0)), large, e * large));
}

RNNSTATS_FUNCTION Vec tanh(Vec x) {
    const Vec less = expm1_negative(2.0 * minus_size(x)), t = less / (less + 2.0);
    return unless_nan(x, simd::choose(simd::above(x, simd::splat(0.0)), negative(t), t));
}

// log(1 + e^x) = max(x, 0) + 2 artanh(e / (2 + e)) with e = e^-|x|.
RNNSTATS_FUNCTION Vec softplus(Vec x) {
    const Vec e = simd::exp_negative(minus_size(x)), s = e / (e + 2.0), z = s * s;
    Vec q = simd::splat(1.0 / 37.0);
    for (int odd = 35; odd >= 3; odd -= 2) q = q * z + 1.0 / odd; // s <= 1/3: the next term is below 2^-56
    return unless_nan(x, simd::maximum(x, simd::splat(0.0)) + (2.0 * s + (2.0 * s) * z * q));
}

} // namespace cells
} // namespace rnnstats
