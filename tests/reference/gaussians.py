"""Divergences between correlated and independent Gaussians.

`x` and `y` are `N(0, I)` of `dims` dimensions, with correlation `rho` between
`x_k` and `y_k` under the joint distribution and none under the product. With
`z = (x_k, y_k)` the log density ratio is, summed over the dimensions,

    r = -log(1 - rho^2) / 2 - z' A z / 2,
    A = rho / (1 - rho^2) [[rho, -1], [-1, rho]],

and A has the eigenvectors (1, -1) and (1, 1), with eigenvalues
`rho / (1 - rho)` and `-rho / (1 + rho)`.
"""

import numpy as np
from scipy import stats


class Gaussians:
    """Two correlated Gaussian vectors and what is known of them."""

    def __init__(self, dims, rho):
        self.dims = dims
        self.rho = rho
        self.information = -dims / 2 * np.log(1 - rho**2)

    def draw(self, num_samples, seed=0):
        x, noise = np.random.default_rng(seed).normal(
            size=(2, num_samples, self.dims)
        )
        return x, self.rho * x + np.sqrt(1 - self.rho**2) * noise

    def log_ratios(self, x, y):
        """Log density ratio of each `x` with each `y`."""
        rho = self.rho
        squares = np.sum(x**2, -1)[:, None] + np.sum(y**2, -1)[None, :]
        products = x @ y.T
        return self.information - (rho**2 * squares - 2 * rho * products) / (
            2 * (1 - rho**2)
        )

    def moment(self, power):
        """Mean of `ratio^power` under the product; infinity if there is none.

        `E exp(-t z' A z / 2) = det(I + t A)^(-1/2)` in each dimension.
        """
        rho = self.rho
        eigenvalues = 1 + power * np.array([rho / (1 - rho), -rho / (1 + rho)])
        if eigenvalues.min() <= 0:
            return np.inf
        of_one = (1 - rho**2) ** (-power / 2) / np.sqrt(eigenvalues.prod())
        return of_one**self.dims

    def quantiles_of_log_ratio(self, joint, num=1000):
        """Equally likely values of the log density ratio, for its means.

        In the eigenvectors of A it is a weighted difference of two
        independent chi-squared variables.
        """
        rho = self.rho
        places = (np.arange(num) + 0.5) / num
        squares = stats.chi2.ppf(places, self.dims)
        first, second = (
            (rho, rho) if joint else (rho / (1 - rho), rho / (1 + rho))
        )
        return (
            self.information
            - (first * squares[:, None] - second * squares[None, :]) / 2
        )
