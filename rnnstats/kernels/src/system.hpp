// The state space model as the kernels see it, and the moments of its first predicted state.
//
//   y_t = Z h_t + d_t + eps_t,      h_t = T h_{t-1} + c_t + R eta_t,      Cov(eta_{t+1}, eps_t) = S
//
// Row t of d and c governs the step into t (0-based: row 0 is the first observation).
#pragma once

#include <vector>

#include "linalg.hpp"

namespace rnnstats {

enum class Start { stationary, given };
enum class FirstStep { noisy, noiseless, none };
enum class Status { ok = 0, singular_innovation = 1, not_stationary = 2, noise_not_psd = 3 };

struct System {
    int p, m, r, n;
    const double *Z, *H, *T, *R, *Q, *S, *mean0, *cov0, *diffuse0;
    const double *d, *c;
    bool d_varies, c_varies;
    Start start;
    FirstStep first_step;
    bool steady;  // allow the steady-state shortcut

    const double* d_at(int t) const { return d_varies ? d + static_cast<long>(t) * p : d; }
    const double* c_at(int t) const { return c_varies ? c + static_cast<long>(t < n ? t : n - 1) * m : c; }
};

// Rows of a matrix as lists of their non-zero elements, used where these are few (shifts, companions, trends).
struct SparseRows {
    bool few = false;
    std::vector<int> start, column;
    std::vector<double> value;

    SparseRows(int rows, int cols, const double* A) {
        const auto zeros = std::count(A, A + rows * cols, 0.0);
        few = 2 * zeros > rows * cols;
        if (!few) return;
        start.push_back(0);
        for (int i = 0; i < rows; ++i) {
            for (int j = 0; j < cols; ++j)
                if (A[i * cols + j] != 0.0) column.push_back(j), value.push_back(A[i * cols + j]);
            start.push_back(static_cast<int>(column.size()));
        }
    }

    // C (rows x j) = A B with B (cols x j).
    void times(int j, const double* B, double* C) const {
        const int rows = static_cast<int>(start.size()) - 1;
        for (int i = 0; i < rows; ++i) {
            double* c = C + i * j;
            std::fill(c, c + j, 0.0);
            for (int at = start[i]; at < start[i + 1]; ++at)
                for (int y = 0; y < j; ++y) c[y] += value[at] * B[column[at] * j + y];
        }
    }
};

// Derived once per call: W = R Q R', C = R S; J0 with J0 J0' = Var(eps_t, eta_{t+1}), (p + r) x q;
// J with J J' = Var(eps_t, R eta_{t+1}), (p + m) x q.
struct Noise {
    int q = 0;
    std::vector<double> W, C, J, J0, RQ;

    Status build(const System& s) {
        const int p = s.p, m = s.m, r = s.r, k = p + r;
        W.resize(m * m);
        C.resize(m * p);
        RQ.resize(m * r);
        const Dim<0> dp(p), dm(m), dr(r);
        mul_nn<Put::set>(dm, dr, dr, s.R, s.Q, RQ.data());
        mul_nt<Put::set>(dm, dm, dr, RQ.data(), s.R, W.data());
        symmetrise(dm, W.data());
        mul_nn<Put::set>(dm, dp, dr, s.R, s.S, C.data());
        std::vector<double> work(2 * k * k);
        double *joint = work.data(), *G = joint + k * k;
        for (int i = 0; i < p; ++i)
            for (int j = 0; j < p; ++j) joint[i * k + j] = s.H[i * p + j];
        for (int i = 0; i < r; ++i) {
            for (int j = 0; j < p; ++j) joint[(p + i) * k + j] = joint[j * k + p + i] = s.S[i * p + j];
            for (int j = 0; j < r; ++j) joint[(p + i) * k + p + j] = s.Q[i * r + j];
        }
        const bool psd = psd_factor(k, joint, G);
        std::vector<int> live;
        for (int j = 0; j < k; ++j)
            if (G[j * k + j] > 0.0) live.push_back(j);
        q = static_cast<int>(live.size());
        J0.resize(k * q);
        for (int i = 0; i < k; ++i)
            for (int j = 0; j < q; ++j) J0[i * q + j] = G[i * k + live[j]];
        J.resize((p + m) * q);
        copy(p * q, J0.data(), J.data());
        mul_nn<Put::set>(dm, Dim<0>(q), dr, s.R, &J0[p * q], &J[p * q]);
        return psd ? Status::ok : Status::noise_not_psd;
    }
};

// P = A P A' + W by doubling: P <- P + A P A', A <- A A. Every term is positive semi-definite.
// `transposed` solves P = A' P A + W. k right-hand sides share the powers of A.
inline Status lyapunov(int m, const double* A0, double* P, int k = 1, bool transposed = false) {
    const Dim<0> dm(m);
    const int mm = m * m;
    std::vector<double> work(4 * mm);
    double *A = work.data(), *A2 = A + mm, *AP = A2 + mm, *add_ = AP + mm;
    for (int i = 0; i < m; ++i)
        for (int j = 0; j < m; ++j) A[i * m + j] = transposed ? A0[j * m + i] : A0[i * m + j];
    for (int doubling = 0; doubling < 64; ++doubling) {
        double size = 0.0;
        for (int i = 0; i < mm; ++i) size += A[i] * A[i];
        if (!(size < 1e200)) return Status::not_stationary;
        if (size == 0.0) return Status::ok;
        bool settled = true;
        for (int which = 0; which < k; ++which) {
            double* X = P + which * mm;
            mul_nn<Put::set>(dm, dm, dm, A, X, AP);
            mul_nt<Put::set>(dm, dm, dm, AP, A, add_);
            double change = 0.0, total = 0.0;
            for (int i = 0; i < mm; ++i) {
                change = std::max(change, std::fabs(add_[i]));
                total = std::max(total, std::fabs(X[i]));
                X[i] += add_[i];
            }
            if (!(total < 1e290)) return Status::not_stationary;
            if (change > 1e-17 * total) settled = false;
        }
        if (settled && size < 1.0) {
            for (int which = 0; which < k; ++which) symmetrise(dm, P + which * mm);
            return Status::ok;
        }
        mul_nn<Put::set>(dm, dm, dm, A, A, A2);
        std::swap(A, A2);
    }
    return Status::not_stationary;
}

// Mean a, covariance P and diffuse loading A (m x d) of the first predicted state. P holds the finite part plus
// A diag(scale) A', which leaves the exact diffuse likelihood unchanged and keeps innovation covariances well scaled.
struct FirstMoments {
    int d = 0;
    std::vector<double> a, P, A, scale, mean0, P0, E;  // mean0, P0: of h_0 (stationary values where solved for); E: m x d

    Status build(const System& s, const Noise& noise) {
        const int m = s.m;
        const Dim<0> dm(m);
        a.assign(m, 0.0);
        P.assign(m * m, 0.0);
        if (s.start == Start::stationary) return stationary(s, noise);
        mean0.assign(s.mean0, s.mean0 + m);
        P0.assign(s.cov0, s.cov0 + m * m);
        for (int i = 0; i < m; ++i) d += s.diffuse0[i] != 0.0;
        if (d > 0) load_diffuse(s, noise);
        if (s.first_step == FirstStep::none) {
            a = mean0;
            P = P0;
        } else {
            copy(m, s.c_at(0), a.data());
            mul_v<Put::add>(dm, dm, s.T, mean0.data(), a.data());
            std::vector<double> TP(m * m);
            mul_nn<Put::set>(dm, dm, dm, s.T, P0.data(), TP.data());
            mul_nt<Put::set>(dm, dm, dm, TP.data(), s.T, P.data());
            if (s.first_step == FirstStep::noisy) add(m * m, noise.W.data(), P.data());
            symmetrise(dm, P.data());
        }
        return Status::ok;
    }

   private:
    Status stationary(const System& s, const Noise& noise) {
        const int m = s.m;
        P = noise.W;
        const Status status = lyapunov(m, s.T, P.data());
        if (status != Status::ok) return status;
        P0 = P;
        const double* c = s.c_at(0);
        if (std::any_of(c, c + m, [](double x) { return x != 0.0; })) {
            std::vector<double> I_T(m * m);
            for (int i = 0; i < m * m; ++i) I_T[i] = -s.T[i];
            for (int i = 0; i < m; ++i) I_T[i * m + i] += 1.0;
            copy(m, c, a.data());
            if (!solve_in_place(m, I_T.data(), a.data(), 1)) return Status::not_stationary;
        }
        mean0 = a;
        return Status::ok;
    }

    void load_diffuse(const System& s, const Noise& noise) {
        const int m = s.m, p = s.p;
        const Dim<0> dm(m), dd(d), dp(p);
        E.assign(m * d, 0.0);
        for (int i = 0, j = 0; i < m; ++i)
            if (s.diffuse0[i] != 0.0) E[i * d + j++] = 1.0;
        A.resize(m * d);
        if (s.first_step == FirstStep::none) A = E;
        else mul_nn<Put::set>(dm, dd, dm, s.T, E.data(), A.data());
        choose_scale(s, noise);
        for (int i = 0, j = 0; i < m; ++i)
            if (s.diffuse0[i] != 0.0) P0[i * m + i] += scale[j++];
    }

    // A column's scale keeps what it adds to the variance of every output, at every lag, below the finite variance.
    void choose_scale(const System& s, const Noise& noise) {
        const int m = s.m, p = s.p;
        const Dim<0> dm(m), dd(d), dp(p);
        std::vector<double> cov(noise.W), ZV(p * m), finite(p), reach(A), next(m * d), seen(p * d);
        scale.assign(d, 0.0);
        if (s.first_step == FirstStep::none) add(m * m, s.cov0, cov.data());
        mul_nn<Put::set>(dp, dm, dm, s.Z, cov.data(), ZV.data());
        for (int i = 0; i < p; ++i) finite[i] = s.H[i * p + i] + dot(m, &ZV[i * m], s.Z + i * m);
        for (int lag = 0; lag < m; ++lag) {
            mul_nn<Put::set>(dp, dd, dm, s.Z, reach.data(), seen.data());
            for (int j = 0; j < d; ++j) {
                double noisy = 0.0, exact = 0.0;
                for (int i = 0; i < p; ++i) {
                    const double square = seen[i * d + j] * seen[i * d + j];
                    (finite[i] > 0.0 ? noisy : exact) += finite[i] > 0.0 ? square / finite[i] : square;
                }
                scale[j] = std::max(scale[j], noisy > 0.0 ? noisy : exact);
            }
            mul_nn<Put::set>(dm, dd, dm, s.T, reach.data(), next.data());
            reach.swap(next);
        }
        for (double& x : scale) x = x > 0.0 ? 1.0 / x : 1.0;
    }
};

}  // namespace rnnstats
