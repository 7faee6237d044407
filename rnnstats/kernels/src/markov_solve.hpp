// Small linear equations of expectation-maximisation: least squares, and the stationary law of a
// transition matrix with its derivative.
//
// The twin of the stationary law is in rnnstats/kernels/chains.py.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

namespace rnnstats {
namespace markov {

constexpr double PIVOT = 1e-12;  // of equations of unit diagonal: the data say nothing

// Solve a (n, n) x = b in place, positive definite after its diagonal is brought to one; zero in
// directions that a pivot says nothing of.
inline void solve_scaled(int n, double *a, double *b) {
    std::vector<double> size(n);
    std::vector<bool> gone(n, false);
    for (int i = 0; i < n; ++i) size[i] = a[i * n + i] > 0.0 ? std::sqrt(a[i * n + i]) : 1.0;
    for (int i = 0; i < n; ++i) {
        b[i] /= size[i];
        for (int j = 0; j < n; ++j) a[i * n + j] /= size[i] * size[j];
    }
    for (int j = 0; j < n; ++j) {
        double pivot = a[j * n + j];
        for (int l = 0; l < j; ++l)
            if (!gone[l]) pivot -= a[j * n + l] * a[j * n + l];
        gone[j] = !(pivot > PIVOT);
        if (gone[j]) continue;
        pivot = std::sqrt(pivot);
        a[j * n + j] = pivot;
        for (int i = j + 1; i < n; ++i) {
            double x = a[i * n + j];
            for (int l = 0; l < j; ++l)
                if (!gone[l]) x -= a[i * n + l] * a[j * n + l];
            a[i * n + j] = x / pivot;
        }
    }
    for (int i = 0; i < n; ++i) {
        if (gone[i]) continue;
        for (int l = 0; l < i; ++l)
            if (!gone[l]) b[i] -= a[i * n + l] * b[l];
        b[i] /= a[i * n + i];
    }
    for (int i = n - 1; i >= 0; --i) {
        if (gone[i]) {
            b[i] = 0.0;
            continue;
        }
        for (int l = i + 1; l < n; ++l)
            if (!gone[l]) b[i] -= a[l * n + i] * b[l];
        b[i] /= a[i * n + i];
    }
    for (int i = 0; i < n; ++i) b[i] /= size[i];
}

// Stationary law without subtractions (Grassmann, Taksar and Heyman 1985). False: not unique.
inline bool stationary_law(int k, const double *transition, double *law) {
    std::vector<double> p(transition, transition + k * k);
    for (int n = k - 1; n > 0; --n) {
        double out = 0.0;
        for (int j = 0; j < n; ++j) out += p[n * k + j];
        if (!(out > 0.0)) return false;
        for (int i = 0; i < n; ++i) p[i * k + n] /= out;
        for (int i = 0; i < n; ++i)
            for (int j = 0; j < n; ++j) p[i * k + j] += p[i * k + n] * p[n * k + j];
    }
    double sum = law[0] = 1.0;
    for (int n = 1; n < k; ++n) {
        law[n] = 0.0;
        for (int i = 0; i < n; ++i) law[n] += law[i] * p[i * k + n];
        sum += law[n];
    }
    for (int j = 0; j < k; ++j) law[j] /= sum;
    return std::isfinite(sum);
}

// x: solution of (I - P + 1 1') x = slopes, by elimination with row exchanges. False: none.
inline bool stationary_effect(int k, const double *transition, double *x) {
    std::vector<double> a(k * k);
    for (int i = 0; i < k; ++i)
        for (int j = 0; j < k; ++j) a[i * k + j] = (i == j) - transition[i * k + j] + 1.0;
    for (int c = 0; c < k; ++c) {
        int at = c;
        for (int i = c + 1; i < k; ++i)
            if (std::fabs(a[i * k + c]) > std::fabs(a[at * k + c])) at = i;
        if (!(std::fabs(a[at * k + c]) > 1e-13)) return false;
        std::swap(x[c], x[at]);
        for (int j = 0; j < k; ++j) std::swap(a[c * k + j], a[at * k + j]);
        for (int i = c + 1; i < k; ++i) {
            const double by = a[i * k + c] / a[c * k + c];
            x[i] -= by * x[c];
            for (int j = c; j < k; ++j) a[i * k + j] -= by * a[c * k + j];
        }
    }
    for (int i = k - 1; i >= 0; --i) {
        for (int j = i + 1; j < k; ++j) x[i] -= a[i * k + j] * x[j];
        x[i] /= a[i * k + i];
    }
    return true;
}

}  // namespace markov
}  // namespace rnnstats
