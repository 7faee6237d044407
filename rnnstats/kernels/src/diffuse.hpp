// Exact diffuse start by augmentation (de Jong 1991; Durbin and Koopman 2012, sec. 5.7).
//
// The first state is h_1 = a_1 + A delta + (proper part), delta diffuse. The proper filter runs on the data and, with
// zero data, on each column of A; generalised least squares then estimates delta:
//   S = sum X_t' F_t^{-1} X_t,   s = -sum X_t' F_t^{-1} v_t,   q = sum v_t' F_t^{-1} v_t,
//   llf = -1/2 [N log 2 pi + sum log|F_t| + log|S| + q - s' S^{-1} s].
// Once S has full rank the filter can collapse to the ordinary one with mean a + A delta_hat and covariance
// P + A S^{-1} A'. It does so when the second part no longer dwarfs the first: the backward passes take the collapse
// apart again and would lose as many digits as the two parts lie apart.
#pragma once

#include <memory>

#include "step.hpp"

namespace rnnstats {

constexpr double log_2pi = 1.8378770664093454835606594728112;

// Generalised least squares for delta from the sums gathered so far.
struct DiffuseSums {
    int d;
    double q = 0.0;
    std::vector<double> S, s;
    // resolved values
    bool full_rank = false;
    int rank = 0;
    double log_pdet = 0.0, explained = 0.0;
    std::vector<double> delta, root;  // root: d x rank with root root' = S^+ ; delta = S^+ s
    std::vector<double> work;

    explicit DiffuseSums(int columns) : d(columns) {
        S.assign(d * d, 0.0), s.assign(d, 0.0), delta.assign(d, 0.0), root.assign(d * d, 0.0);
        work.assign(4 * d * d + 2 * d, 0.0);
    }

    void resolve() {
        double *scaled = work.data(), *A = scaled + d * d, *V = A + d * d, *G = V + d * d, *w = G + d * d;
        bool touched = true;
        for (int i = 0; i < d; ++i) touched = touched && S[i * d + i] > 0.0;
        full_rank = false;
        if (touched) {
            for (int i = 0; i < d; ++i)
                for (int j = 0; j < d; ++j) scaled[i * d + j] = S[i * d + j] / std::sqrt(S[i * d + i] * S[j * d + j]);
            jacobi_eigen(d, scaled, A, w, V);
            full_rank = *std::min_element(w, w + d) > 1e-10;
        }
        if (full_rank) {
            rank = d;
            psd_factor(d, S.data(), G, 0.0);
            log_pdet = 0.0;
            for (int i = 0; i < d; ++i) log_pdet += 2.0 * std::log(G[i * d + i]);
            invert_lower(Dim<0>(d), G, A);  // root = G^{-T}
            for (int i = 0; i < d; ++i)
                for (int j = 0; j < d; ++j) root[i * d + j] = A[j * d + i];
        } else {
            jacobi_eigen(d, S.data(), A, w, V);
            const double floor = 1e-12 * std::max(0.0, *std::max_element(w, w + d));
            rank = 0, log_pdet = 0.0;
            for (int k = 0; k < d; ++k) {
                if (!(w[k] > floor)) continue;
                log_pdet += std::log(w[k]);
                for (int i = 0; i < d; ++i) root[i * d + rank] = V[i * d + k] / std::sqrt(w[k]);
                ++rank;
            }
        }
        explained = 0.0;
        std::fill(delta.begin(), delta.end(), 0.0);
        for (int k = 0; k < rank; ++k) {
            double z = 0.0;
            for (int i = 0; i < d; ++i) z += root[i * d + k] * s[i];
            explained += z * z;
            for (int i = 0; i < d; ++i) delta[i] += root[i * d + k] * z;
        }
    }
};

// What one filter step leaves behind for the backward passes; offsets into a slot of doubles.
struct SlotLayout {
    int K, Finv, P, L, Lf, Kf, X, Y, Psi, Xn, Yn, size;
    SlotLayout(int m, int p, int q, bool full) {
        int at = 0;
        auto take = [&at](int count) { return std::exchange(at, at + count); };
        K = take(m * p), Finv = take(p * p), P = take(m * m);
        L = Lf = Kf = X = Y = Psi = Xn = Yn = 0;
        if (full) {
            L = take(m * m), Lf = take(m * m), Kf = take(m * p), X = take(m * p), Y = take(m * m), Psi = take(m * m);
            Xn = take(q * p), Yn = take(q * m);
        }
        size = at;
    }
};

struct DiffuseRecord {
    int d = 0, steps = 0;
    bool collapsed = false;
    std::vector<double> delta_0;           // d, value of delta at which the data column runs
    std::vector<double> A;                 // (steps + 1) x m x d, loading before step t
    std::vector<double> delta;             // (steps + 1) x d, GLS estimate from rows before t
    std::vector<double> root;              // (steps + 1) x d x d, S^+ = root root'
    std::vector<int> rank;                 // steps + 1
    std::vector<double> a_end, L_end;      // proper filter at the first row after the phase, before the collapse

    // Rows before which some direction is still undetermined.
    int undetermined_rows() const {
        int t = 0;
        while (t < steps && rank[t] < d) ++t;
        return t;
    }
};

// Numbers left as they come from the allocator: each is written before it is read.
template <class T>
class Raw {
   public:
    void resize(size_t count) { store.reset(new T[count]); }
    T* data() const { return store.get(); }
    T& operator[](size_t i) const { return store[i]; }

   private:
    std::unique_ptr<T[]> store;
};

// Forward record: which slot each row used, predicted means and e_t = F^{-1} v_t (zero at missing outputs).
struct Tape {
    bool full;
    SlotLayout layout;
    Raw<int> slot;
    Raw<double> a, e, w;  // w_t = F^{-1/2} v_t, observed outputs first; only where full
    std::vector<double> slots;
    std::vector<double> a_next, L_next;
    DiffuseRecord diffuse;

    Tape(int m, int p, int q, int n, bool keep_full) : full(keep_full), layout(m, p, q, keep_full) {
        slot.resize(n);
        a.resize(static_cast<size_t>(n) * m);
        e.resize(static_cast<size_t>(n) * p);
        if (full) w.resize(static_cast<size_t>(n) * p);
    }
    int count() const { return static_cast<int>(slots.size() / layout.size); }
    const double* at(int t) const { return slots.data() + static_cast<size_t>(slot[t]) * layout.size; }

    template <int M, int P>
    int push(const ArrayStep<M, P>& step, const double* L, int observed) {
        const int m = step.m, p = step.p, o = observed;
        const size_t base = slots.size();
        slots.resize(base + layout.size);
        double* to = slots.data() + base;
        copy(m * p, step.K, to + layout.K);
        zero(p * p, to + layout.Finv);
        for (int i = 0; i < o; ++i)
            for (int j = 0; j <= i; ++j) {
                double sum = 0.0;
                for (int l = i; l < o; ++l) sum += step.F12i[l * o + i] * step.F12i[l * o + j];
                const int r = o == p ? i : step.rows[i], c = o == p ? j : step.rows[j];
                to[layout.Finv + r * p + c] = to[layout.Finv + c * p + r] = sum;
            }
        gram(Dim<0>(m), Dim<0>(m), L, to + layout.P);
        if (full) {
            copy(m * m, L, to + layout.L);
            copy(m * m, step.Lf, to + layout.Lf);
            copy(m * p, step.Kf, to + layout.Kf);
            copy(m * o, step.X, to + layout.X);
            mul_nn<Put::set>(Dim<0>(m), Dim<0>(m), Dim<0>(m), step.Phi, step.Psi, to + layout.Y);
            copy(m * m, step.Psi, to + layout.Psi);
            copy(step.noise.q * o, step.Xn, to + layout.Xn);
            copy(step.noise.q * m, step.Yn, to + layout.Yn);
        }
        return count() - 1;
    }
};

// Observed outputs of a row, in order; returns how many.
inline int observed_rows(int p, const double* y, std::vector<int>& rows) {
    int o = 0;
    for (int i = 0; i < p; ++i)
        if (y[i] == y[i]) rows[o++] = i;
    return o;
}

class DiffusePhase {
   public:
    double llf = 0.0;
    int period = 0;  // first row after the phase
    bool early = false;  // collapse at full rank whatever the digits: for passes that only go forward
    std::vector<double> a, L;

    DiffusePhase(const System& system, const Noise& shared, const FirstMoments& moments)
        : s(system), noise(shared), first(moments), step(system, shared) {}

    Status run(const double* y, double* llf_obs, Tape* tape) {
        // First pass: a value of delta near the data, so that the second pass works on numbers of innovation size.
        std::vector<double> delta_0(first.d, 0.0);
        Status status = pass(y, delta_0, nullptr, nullptr);
        if (status != Status::ok) return status;
        delta_0 = last_delta;
        return pass(y, delta_0, llf_obs, tape);
    }

   private:
    const System& s;
    const Noise& noise;
    const FirstMoments& first;
    ArrayStep<0, 0> step;
    std::vector<double> last_delta;

    Status pass(const double* y, const std::vector<double>& delta_0, double* llf_obs, Tape* tape) {
        const int m = s.m, p = s.p, d = first.d;
        const Dim<0> dm(m), dp(p), dd(d);
        std::vector<double> A = first.A, next(m * (1 + d)), V(p * (1 + d)), X(p * (1 + d));
        DiffuseSums sums(d);
        a = first.a;
        mul_v<Put::add>(dm, dd, A.data(), delta_0.data(), a.data());
        L.assign(m * m, 0.0);
        psd_factor(m, first.P.data(), L.data(), 1e-15);
        double log_det = 0.0, before = 0.0;
        llf = 0.0;
        long counted = 0;
        if (tape) tape->diffuse.d = d, tape->diffuse.delta_0 = delta_0;
        int t = 0;
        const bool every_row = llf_obs || (tape && tape->full);
        bool settled = false;
        for (; t < s.n && !settled; ++t) {
            if (tape) remember(*tape, A, sums);
            const double* row = y + static_cast<size_t>(t) * p;
            const int o = observed_rows(p, row, step.rows);
            const bool proper = tape && tape->full ? step.run_full(L.data(), o) : step.run(L.data(), o);
            if (!proper) return period = t, Status::singular_innovation;
            innovations(row, t, o, A, V, X);
            for (int i = 0; i < o; ++i) {
                const double* x = &X[i * (1 + d)];
                sums.q += x[0] * x[0];
                for (int j = 0; j < d; ++j) {
                    sums.s[j] -= x[1 + j] * x[0];
                    for (int k = 0; k < d; ++k) sums.S[j * d + k] += x[1 + j] * x[1 + k];
                }
                log_det += 2.0 * std::log(step.F12[i * o + i]);
            }
            counted += o;
            const bool resolved = every_row || counted >= d;  // fewer outputs than columns cannot settle delta
            if (o > 0 && resolved) sums.resolve();
            llf = -0.5 * (counted * log_2pi + log_det + sums.log_pdet + sums.q - sums.explained);
            if (llf_obs) llf_obs[t] = llf - before, before = llf;
            if (tape) store(*tape, t, o, V);
            advance(t, V, A, next);
            copy(m * m, step.L_next, L.data());
            settled = sums.full_rank && (early || comparable(A, sums));
        }
        period = t;
        if (!every_row && counted < d) {
            sums.resolve();
            llf = -0.5 * (counted * log_2pi + log_det + sums.log_pdet + sums.q - sums.explained);
        }
        last_delta = delta_0;
        for (int j = 0; j < d; ++j) last_delta[j] += sums.delta[j];
        if (tape) {
            remember(*tape, A, sums);
            DiffuseRecord& record = tape->diffuse;
            record.steps = t, record.collapsed = settled, record.a_end = a, record.L_end = L;
        }
        collapse(A, sums);
        return Status::ok;
    }

    // V = v for the data column and each column of A, for all outputs (zero where missing); X = F^{-1/2} V, o rows.
    void innovations(const double* row, int t, int o, const std::vector<double>& A, std::vector<double>& V,
                     std::vector<double>& X) {
        const int m = s.m, p = s.p, d = first.d, wide = 1 + d;
        const double* dt = s.d_at(t);
        for (int i = 0; i < p; ++i) {
            const bool seen = row[i] == row[i];
            V[i * wide] = seen ? row[i] - dt[i] - dot(m, s.Z + i * m, a.data()) : 0.0;
            for (int j = 0; j < d; ++j) {
                double sum = 0.0;
                for (int l = 0; l < m; ++l) sum += s.Z[i * m + l] * A[l * d + j];
                V[i * wide + 1 + j] = seen ? -sum : 0.0;
            }
        }
        for (int i = 0; i < o; ++i)
            for (int j = 0; j < wide; ++j) {
                double sum = 0.0;
                for (int l = 0; l <= i; ++l) sum += step.F12i[i * o + l] * V[(o == p ? l : step.rows[l]) * wide + j];
                X[i * wide + j] = sum;
            }
    }

    void advance(int t, const std::vector<double>& V, std::vector<double>& A, std::vector<double>& next) {
        const int m = s.m, p = s.p, d = first.d, wide = 1 + d;
        const double* c = s.c_at(t + 1);
        for (int i = 0; i < m; ++i)
            for (int j = 0; j < wide; ++j) {
                double sum = j == 0 ? c[i] : 0.0;
                for (int l = 0; l < m; ++l) sum += s.T[i * m + l] * (j == 0 ? a[l] : A[l * d + j - 1]);
                for (int l = 0; l < p; ++l) sum += step.K[i * p + l] * V[l * wide + j];
                next[i * wide + j] = sum;
            }
        for (int i = 0; i < m; ++i) {
            a[i] = next[i * wide];
            for (int j = 0; j < d; ++j) A[i * d + j] = next[i * wide + 1 + j];
        }
    }

    void store(Tape& tape, int t, int o, const std::vector<double>& V) {
        const int m = s.m, p = s.p, wide = 1 + first.d;
        tape.slot[t] = tape.push(step, L.data(), o);
        copy(m, a.data(), &tape.a[static_cast<size_t>(t) * m]);
        const double* Finv = tape.at(t) + tape.layout.Finv;
        for (int i = 0; i < p; ++i) {
            double sum = 0.0;
            for (int l = 0; l < p; ++l) sum += Finv[i * p + l] * V[l * wide];
            tape.e[static_cast<size_t>(t) * p + i] = sum;
        }
    }

    void remember(Tape& tape, const std::vector<double>& A, const DiffuseSums& sums) {
        DiffuseRecord& record = tape.diffuse;
        record.A.insert(record.A.end(), A.begin(), A.end());
        record.delta.insert(record.delta.end(), sums.delta.begin(), sums.delta.end());
        record.root.insert(record.root.end(), sums.root.begin(), sums.root.end());
        record.rank.push_back(sums.rank);
    }

    // Is A S^{-1} A' at most a thousand times P, state by state?
    bool comparable(const std::vector<double>& A, const DiffuseSums& sums) const {
        const int m = s.m, d = first.d;
        for (int i = 0; i < m; ++i) {
            double part = 0.0;
            for (int k = 0; k < d; ++k) {
                double b = 0.0;
                for (int j = 0; j < d; ++j) b += A[i * d + j] * sums.root[j * d + k];
                part += b * b;
            }
            if (part > 1e3 * dot(m, &L[i * m], &L[i * m])) return false;
        }
        return true;
    }

    // a <- a + A delta_hat, P <- P + A S^+ A'.
    void collapse(const std::vector<double>& A, const DiffuseSums& sums) {
        const int m = s.m, d = first.d, wide = m + d;
        std::vector<double> W(m * wide, 0.0), tau(lq_workspace(m));
        for (int i = 0; i < m; ++i) {
            for (int j = 0; j < d; ++j) a[i] += A[i * d + j] * sums.delta[j];
            copy(m, &L[i * m], &W[i * wide]);
            for (int k = 0; k < sums.rank; ++k)
                for (int j = 0; j < d; ++j) W[i * wide + m + k] += A[i * d + j] * sums.root[j * d + k];
        }
        lq_in_place(Dim<0>(m), Dim<0>(wide), W.data(), tau.data());
        for (int i = 0; i < m; ++i)
            for (int j = 0; j < m; ++j) L[i * m + j] = j <= i ? W[i * wide + j] : 0.0;
    }
};

}  // namespace rnnstats
