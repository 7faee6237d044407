// A switching autoregression in mean form: residuals, forward-backward pass over the composite states
// (h_t, ..., h_{t-p}) and the M-step, for expectation-maximisation in one call.
//
// The equations are in rnnstats/kernels/reference/markov_mean.py.
#pragma once

#include "markov_climb.hpp"
#include "markov_composite.hpp"

namespace rnnstats {
namespace markov {

// Responses and regressors v (n, r) of the rows and their lags; zero where not heard (null: all are).
// A loading (S, r) is a sum of signed products of two of the numbers u + origin and 1.
struct MeanData {
    int k, order, r, q, means, sequences, start; // q coefficients, the first of them means
    bool common;                                 // one variance
    std::int64_t n, products;
    const double *v;
    const unsigned char *heard;
    const std::int64_t *rows, *offsets; // row of each in a classification; sequences
    const std::int64_t *cell, *first, *second;
    const double *sign, *origin; // (products,), (q + 1,)
    double floor;                // of variances
    int block() const {
        int b = 1;
        for (int lag = 0; lag < order; ++lag) b *= k;
        return b;
    }
    int states() const { return k * block(); }
    int pairs() const { return r * (r + 1) / 2; }
};

// Eight numbers of a row of states, or what is left of it.
RNNSTATS_INLINE Vec part_of(const double *at, int some) {
    if (some >= LANES) return simd::load(at);
    double x[LANES] = {};
    for (int i = 0; i < some; ++i) x[i] = at[i];
    return simd::load(x);
}
RNNSTATS_INLINE void put_part(double *at, int some, Vec value) {
    if (some >= LANES) return simd::store(at, value);
    for (int i = 0; i < some; ++i) at[i] = value[i];
}
// Log densities (n, S). Arrays by state are `wide`: S padded to whole vectors. `turned` (r, wide): loadings.
RNNSTATS_VECTOR_CLONES inline void mean_densities(const MeanData &d, int wide, const double *turned,
                                                  const double *variance, double *out) {
    constexpr double LOG_2PI = 1.8378770664093454836;
    const int size = d.states(), block = d.block();
    for (int s = 0; s < size; s += LANES) {
        const int some = size - s;
        double by[LANES], base[LANES];
        for (int i = 0; i < LANES; ++i) {
            const double own = variance[(i < some ? s + i : s) / block];
            by[i] = -0.5 / own;
            base[i] = -0.5 * (LOG_2PI + std::log(own));
        }
        const Vec scale = simd::load(by), top = simd::load(base);
        for (std::int64_t t = 0; t < d.n; ++t) {
            const double *v = d.v + t * d.r;
            Vec e = v[0] * simd::load(turned + s);
            for (int c = 1; c < d.r; ++c) e += v[c] * simd::load(turned + c * wide + s);
            const bool blank = d.heard && !d.heard[t];
            put_part(out + t * size + s, some, blank ? simd::splat(0.0) : top + scale * (e * e));
        }
    }
}

constexpr int PORTION = 64; // of sums at a time

// to_g += sum over rows of factor_g times a vector, for G factors.
template <int G>
RNNSTATS_INLINE void gather(int rows, const double *factors, const double *vectors, double *to, int wide) {
    Vec sum[G];
    for (int g = 0; g < G; ++g) sum[g] = simd::load(to + g * wide);
    for (int i = 0; i < rows; ++i) {
        const Vec x = simd::load(vectors + i * LANES);
        RNNSTATS_UNROLL
        for (int g = 0; g < G; ++g) sum[g] += factors[g * PORTION + i] * x;
    }
    for (int g = 0; g < G; ++g) simd::store(to + g * wide, sum[g]);
}
RNNSTATS_INLINE void gather_all(int number, int rows, const double *factors, const double *vectors, double *to,
                                int wide) {
    int g = 0;
    for (; g + 8 <= number; g += 8) gather<8>(rows, factors + g * PORTION, vectors, to + g * wide, wide);
    for (; g + 3 <= number; g += 3) gather<3>(rows, factors + g * PORTION, vectors, to + g * wide, wide);
    for (; g < number; ++g) gather<1>(rows, factors + g * PORTION, vectors, to + g * wide, wide);
}

// Weighted by state: sums of v e (r, wide), of e^2 and of 1 (wide), and second moments of v (pairs, wide),
// the upper triangle row by row (null: left out).
RNNSTATS_VECTOR_CLONES inline void mean_sums(const MeanData &d, int wide, const double *turned, const double *weights,
                                             std::vector<double> *work, double *cross, double *squares, double *mass,
                                             double *moments) {
    const int size = d.states(), pairs = moments ? d.pairs() : 0;
    work->resize((d.r + pairs) * PORTION);
    double *columns = work->data(), *products = columns + d.r * PORTION;
    double own[PORTION * LANES], pulled[PORTION * LANES];
    std::fill(cross, cross + d.r * wide, 0.0);
    std::fill(squares, squares + wide, 0.0);
    std::fill(mass, mass + wide, 0.0);
    std::fill(moments, moments + pairs * wide, 0.0);
    for (std::int64_t t = 0; t < d.n; t += PORTION) {
        const int rows = static_cast<int>(d.n - t < PORTION ? d.n - t : PORTION);
        for (int i = 0; i < rows; ++i)
            for (int c = 0; c < d.r; ++c) columns[c * PORTION + i] = d.v[(t + i) * d.r + c];
        double *to = products;
        for (int a = 0; a < d.r && pairs; ++a)
            for (int b = a; b < d.r; ++b, to += PORTION)
                for (int i = 0; i < rows; ++i) to[i] = columns[a * PORTION + i] * columns[b * PORTION + i];
        for (int s = 0; s < size; s += LANES) {
            Vec by_squares = simd::load(squares + s), by_mass = simd::load(mass + s);
            for (int i = 0; i < rows; ++i) {
                const double *v = d.v + (t + i) * d.r;
                Vec w = part_of(weights + (t + i) * size + s, size - s);
                if (d.heard && !d.heard[t + i]) w = simd::splat(0.0);
                Vec e = v[0] * simd::load(turned + s);
                for (int c = 1; c < d.r; ++c) e += v[c] * simd::load(turned + c * wide + s);
                const Vec x = w * e;
                by_squares += x * e;
                by_mass += w;
                simd::store(own + i * LANES, w);
                simd::store(pulled + i * LANES, x);
            }
            simd::store(squares + s, by_squares);
            simd::store(mass + s, by_mass);
            gather_all(d.r, rows, columns, pulled, cross + s, wide);
            gather_all(pairs, rows, products, own, moments + s, wide);
        }
    }
}

// Normal equations of the coefficients [begin, end): spread (r, q + 1, wide) are the derivatives of the
// loadings, `over` (wide) is one over the variance.
RNNSTATS_VECTOR_CLONES inline void mean_equations(const MeanData &d, int wide, int begin, int end, const double *spread,
                                                  const double *moments, const double *cross, const double *over,
                                                  double *normal, double *right) {
    const int r = d.r, m = end - begin, step = (d.q + 1) * wide;
    std::fill(right, right + m, 0.0);
    if (normal) std::fill(normal, normal + m * m, 0.0);
    for (int s = 0; s < wide; s += LANES)
        for (int c = 0; c < m; ++c) {
            const double *B = spread + (begin + c) * wide + s;
            const Vec by = simd::load(over + s);
            Vec sum = simd::splat(0.0);
            for (int a = 0; a < r; ++a) sum += simd::load(B + a * step) * simd::load(cross + a * wide + s);
            right[c] += simd::sum_of(by * sum);
            if (!normal) continue;
            for (int a = 0; a < r; ++a) {
                Vec half = simd::splat(0.0);
                for (int b = 0; b < r; ++b) {
                    const int low = a < b ? a : b, high = a < b ? b : a;
                    const int pair = low * r - low * (low - 1) / 2 + high - low;
                    half += simd::load(moments + pair * wide + s) * simd::load(B + b * step);
                }
                half *= by;
                for (int e = 0; e <= c; ++e)
                    normal[c * m + e] += simd::sum_of(half * simd::load(spread + a * step + (begin + e) * wide + s));
            }
        }
    for (int c = 0; normal && c < m; ++c)
        for (int e = 0; e < c; ++e) normal[e * m + c] = normal[c * m + e];
}

// Sums after a change of the loadings: e^2 += change (2 v e + v v' change), v e += v v' change.
RNNSTATS_VECTOR_CLONES inline void mean_moved(const MeanData &d, int wide, const double *before, const double *now,
                                              const double *moments, double *cross, double *squares) {
    const int r = d.r;
    for (int s = 0; s < wide; s += LANES) {
        Vec sum = simd::load(squares + s);
        for (int a = 0; a < r; ++a) {
            Vec pushed = simd::splat(0.0);
            for (int b = 0; b < r; ++b) {
                const int low = a < b ? a : b, high = a < b ? b : a;
                const int pair = low * r - low * (low - 1) / 2 + high - low;
                pushed += simd::load(moments + pair * wide + s) *
                          (simd::load(now + b * wide + s) - simd::load(before + b * wide + s));
            }
            const Vec change = simd::load(now + a * wide + s) - simd::load(before + a * wide + s);
            Vec own = simd::load(cross + a * wide + s);
            sum += change * (own + own + pushed);
            simd::store(cross + a * wide + s, own + pushed);
        }
        simd::store(squares + s, sum);
    }
}

class MeanEmission {
  public:
    const int k, sequences, start;
    const double floor;
    explicit MeanEmission(const MeanData &data)
        : k(data.k), sequences(data.sequences), start(data.start), floor(data.floor), d(data), size(data.states()),
          wide((size + LANES - 1) / LANES * LANES), density(data.n * size), turned(data.r * wide), before(data.r * wide),
          firsts(data.sequences * size), d_first(data.sequences * size), cross(data.r * wide), squares(wide), mass(wide),
          over(wide), spread(data.r * (data.q + 1) * wide), state(data.products), column(data.products),
          digits(size * (data.order + 1)) {
        for (std::int64_t i = 0; i < d.products; ++i) {
            state[i] = static_cast<int>(d.cell[i] / d.r);
            column[i] = static_cast<int>(d.cell[i] % d.r);
        }
        for (int s = 0; s < size; ++s)
            for (int lag = d.order, rest = s; lag >= 0; --lag, rest /= k) digits[s * (d.order + 1) + lag] = rest % k;
    }

    // Point.states: probabilities of the composite states.
    Point point() const { return Point(d.k, d.sequences, d.q, 0, 0, d.n * size); }

    // Weights of the composite states from those of the regimes.
    void classify(Point *p, const double *weights) const {
        for (std::int64_t t = 0; t < d.n; ++t) {
            double *to = p->states.data() + t * size;
            for (int s = 0; s < size; ++s) {
                double product = 1.0;
                for (int lag = 0, rest = d.block(), at = s; lag <= d.order; ++lag, at %= rest, rest /= k)
                    product *= weights[(d.rows[t] - lag) * k + at / rest];
                to[s] = product;
            }
        }
    }

    void sweep(Point *p) {
        load(p->u.data());
        mean_densities(d, wide, turned.data(), p->variance.data(), density.data());
        begin(*p);
        Chain chain{d.k, d.block(), d.sequences, false, density.data(), p->transition.data(), firsts.data(), d.offsets};
        double llf = NO;
        bool fast = false;
        const auto smooth = [&](auto K, auto B) {
            return smooth_composite(K, B, chain, density.data(), &kept, p->states.data(), p->d_transition.data(),
                                    d_first.data(), &llf);
        };
        if (d.k == 2 && d.order == 1) fast = smooth(Dim<2>(), Dim<2>());
        else if (d.k == 2 && d.order == 2) fast = smooth(Dim<2>(), Dim<4>());
        else if (d.k == 2 && d.order == 4) fast = smooth(Dim<2>(), Dim<16>());
        else with_regimes(d.k, [&](auto K) { fast = smooth(K, Dim<0>(d.block())); });
        if (!fast) {
            mean_densities(d, wide, turned.data(), p->variance.data(), density.data());
            Output out{};
            out.smoothed = p->states.data();
            out.d_transition = p->d_transition.data();
            out.d_start = d_first.data();
            std::int64_t period = -1;
            std::fill(d_first.begin(), d_first.end(), 0.0);
            llf = run_smooth(chain, out, &period);
        }
        if (!std::isfinite(llf)) return;
        p->llf = llf;
        collapse(p);
    }

    void emission(const Point &from, Point *to, double prior, double pooled) {
        moments.resize(d.pairs() * wide);
        sum_up(from, moments.data());
        to->u = from.u;
        std::vector<double> normal(d.q * d.q), right(d.q);
        for (int group = 0; group < 2; ++group) {
            const int begin = group ? d.means : 0, end = group ? d.q : d.means, m = end - begin;
            if (m == 0) continue;
            derive(to->u.data());
            mean_equations(d, wide, begin, end, spread.data(), moments.data(), cross.data(), over.data(), normal.data(),
                           right.data());
            solve_scaled(m, normal.data(), right.data());
            for (int c = 0; c < m; ++c) to->u[begin + c] -= right[c];
            before = turned;
            load(to->u.data());
            mean_moved(d, wide, before.data(), turned.data(), moments.data(), cross.data(), squares.data());
        }
        spreads(from, to, prior, pooled);
    }

    // Gradient by the coefficients (q), residual sums of squares and mass by regime, probabilities (n, k).
    void report(const Point &p, double *slopes, double *by_regime, double *number, double *states) {
        const int block = d.block();
        derive(p.u.data());
        sum_up(p, nullptr);
        mean_equations(d, wide, 0, d.q, spread.data(), nullptr, cross.data(), over.data(), nullptr, slopes);
        for (int c = 0; c < d.q; ++c) slopes[c] = -slopes[c];
        for (int j = 0; j < k; ++j) {
            by_regime[j] = number[j] = 0.0;
            for (int s = j * block; s < (j + 1) * block; ++s) by_regime[j] += squares[s], number[j] += mass[s];
        }
        for (std::int64_t t = 0; t < d.n; ++t)
            for (int j = 0; j < k; ++j) {
                double sum = 0.0;
                for (int s = j * block; s < (j + 1) * block; ++s) sum += p.states[t * size + s];
                states[t * k + j] = sum;
            }
    }

  private:
    MeanData d;
    int size, wide;
    std::vector<double> density, turned, before, firsts, d_first, cross, squares, mass, over, spread, moments, numbers,
        kept, work;
    std::vector<int> state, column, digits; // digits (S, p + 1): regimes of the row and its lags

    void number(const double *u) {
        numbers.assign(d.origin, d.origin + d.q + 1);
        for (int c = 0; c < d.q; ++c) numbers[c] += u[c];
    }

    // Loadings (r, wide).
    void load(const double *u) {
        number(u);
        std::fill(turned.begin(), turned.end(), 0.0);
        for (std::int64_t i = 0; i < d.products; ++i)
            turned[column[i] * wide + state[i]] += d.sign[i] * numbers[d.first[i]] * numbers[d.second[i]];
    }

    // Their derivatives by the coefficients and 1, (r, q + 1, wide).
    void derive(const double *u) {
        number(u);
        std::fill(spread.begin(), spread.end(), 0.0);
        for (std::int64_t i = 0; i < d.products; ++i) {
            double *to = spread.data() + column[i] * (d.q + 1) * wide + state[i];
            to[d.first[i] * wide] += d.sign[i] * numbers[d.second[i]];
            to[d.second[i] * wide] += d.sign[i] * numbers[d.first[i]];
        }
    }

    void sum_up(const Point &p, double *second) {
        load(p.u.data());
        for (int s = 0; s < size; ++s) over[s] = 1.0 / p.variance[s / d.block()];
        mean_sums(d, wide, turned.data(), p.states.data(), &work, cross.data(), squares.data(), mass.data(), second);
    }

    void spreads(const Point &from, Point *to, double prior, double pooled) const {
        const int block = d.block();
        std::vector<double> sums(k, 0.0), number(k, prior);
        for (int s = 0; s < size; ++s) sums[s / block] += squares[s], number[s / block] += mass[s];
        double all = 0.0, rows = 0.0;
        for (int j = 0; j < k; ++j) {
            sums[j] = std::max(sums[j], 0.0) + prior * pooled;
            all += sums[j];
            rows += number[j];
        }
        for (int j = 0; j < k; ++j) {
            const double sum = d.common ? all : sums[j], count = d.common ? rows : number[j];
            to->variance[j] = count > 0.0 ? std::max(sum / count, d.floor) : from.variance[j];
        }
    }

    // Law of each sequence's first p + 1 regimes.
    void begin(const Point &p) {
        for (int s = 0; s < size; ++s) {
            const int *h = digits.data() + s * (d.order + 1);
            double steps = 1.0;
            for (int lag = d.order; lag > 0; --lag) steps *= p.transition[h[lag] * k + h[lag - 1]];
            for (int q = 0; q < sequences; ++q) firsts[q * size + s] = p.law[q * k + h[d.order]] * steps;
        }
    }

    // Slopes of that law go to the transitions and the start.
    void collapse(Point *p) const {
        std::vector<double> factors(d.order + 1), others(d.order + 1);
        std::fill(p->d_start.begin(), p->d_start.end(), 0.0);
        for (int q = 0; q < sequences; ++q)
            for (int s = 0; s < size; ++s) {
                const int *h = digits.data() + s * (d.order + 1), oldest = h[d.order];
                for (int lag = d.order; lag > 0; --lag)
                    factors[lag - 1] = p->transition[h[lag] * k + h[lag - 1]];
                factors[d.order] = p->law[q * k + oldest];
                double product = d_first[q * size + s];
                for (int i = 0; i <= d.order; ++i) others[i] = product, product *= factors[i];
                product = 1.0;
                for (int i = d.order; i >= 0; --i) others[i] *= product, product *= factors[i];
                p->d_start[q * k + oldest] += others[d.order];
                for (int lag = d.order; lag > 0; --lag)
                    p->d_transition[h[lag] * k + h[lag - 1]] += others[lag - 1];
            }
    }
};

struct MeanRun : Run {
    double *slopes, *squares, *mass;
};

inline void mean_climb(const MeanData &d, int limit, double tol, bool accelerate, MeanRun *run) {
    MeanEmission emission(d);
    Point p = emission.point();
    run->get(&p);
    if (run->weights) {
        emission.classify(&p, run->weights);
        Point begun(p);
        emission.emission(p, &begun, 1.0, run->pooled);
        p = begun;
    }
    climb_from(&emission, &p, limit, tol, accelerate, run);
    emission.report(p, run->slopes, run->squares, run->mass, run->states);
}

} // namespace markov
} // namespace rnnstats
