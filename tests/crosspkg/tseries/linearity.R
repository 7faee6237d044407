# Reference numbers of the tests of linearity from R's tseries (see linearity.csv beside this file).
# Run in this folder: Rscript linearity.R
# Statistics of terasvirta.test and white.test by regressors and outputs ("default" methods), so
# that their numbers of rows are those of the regression. White's hidden units are drawn with R's
# generator; the file hidden.csv holds their weights.
suppressMessages(library(tseries))
folder <- "../../../rnnstats/datasets/data/"
series <- list(
  lynx = log10(read.csv(paste0(folder, "lynx.csv"))[, 2]),
  sunspots = read.csv(paste0(folder, "sunspots_statsmodels.csv"))[, 2]
)
number <- function(x) sprintf("%.17g", x)
out <- "series,lags,test,type,statistic,df1,df2,pvalue"
hidden <- "series,lags,row,weights"
for (name in names(series)) {
  for (lags in 1:3) {
    y <- embed(series[[name]], lags + 1)
    left <- y[, 1, drop = FALSE]
    right <- y[, -1, drop = FALSE]
    for (type in c("Chisq", "F")) {
      found <- terasvirta.test(right, left, type = type)
      df <- c(found$parameter, NA)[1:2]
      out <- c(out, paste(name, lags, "teraesvirta", type, number(found$statistic),
                          df[1], df[2], number(found$p.value), sep = ","))
      set.seed(1)
      found <- white.test(right, left, type = type)
      df <- c(found$parameter, NA)[1:2]
      out <- c(out, paste(name, lags, "white", type, number(found$statistic),
                          df[1], df[2], number(found$p.value), sep = ","))
    }
    set.seed(1)
    gamma <- matrix(runif((lags + 1) * 10, -2, 2), lags + 1, 10)
    for (row in seq_len(lags + 1)) {
      hidden <- c(hidden, paste(name, lags, row, paste(number(gamma[row, ]), collapse = " "),
                                sep = ","))
    }
  }
}
out <- c(out, paste0("# ", R.version.string, ", tseries ", packageVersion("tseries")))
writeLines(out, "linearity.csv")
writeLines(hidden, "hidden.csv")
