"""Functions of squared distances that are summed over the pixels of a block, each with its derivative.

A soft mask S = exp(-|e - a|^2 / 2 sigma^2) comes as its exponent to base 2, the squared distance times a scale: no
root is taken, and powers of 2 are cheap. Who the pixels and points are is the business of `pixel_sums.py`; which term
the sums belong to, that of `loss.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from napari_spoco.training.clusters import PaintedPixels

FAR = 1e30
"""Squared distance of what takes no part in a sum."""
_NEAR = 1e-12
"""Squared distances up to this count as zero, and have the gradient zero."""
_LN2 = math.log(2.0)
_SMALLEST_EXPONENT = -63.0
"""Soft masks below 2 to this count as zero; their squares would be denormal numbers, which are slow."""
_CROSS_ENTROPY_MARGIN = 1e-6
"""Where a soft mask should be 0, it counts as at most about 1 minus this."""
_CROSS_ENTROPY_FLOOR = -80.0
"""Natural exponents below this are as good as 0 there, and would overflow in the derivative."""


class Summand(Protocol):
    """A function of the squared distances of each pixel that is summed over the pixels.

    Both methods get the products x (R, n) of the pixels in a block: squared distances times the scale of the request.
    They may overwrite x.
    """

    def sums(self, x: torch.Tensor, block: slice) -> torch.Tensor:
        """Return the sums over the block, (rows, number of sums)."""

    def differentiate(self, x: torch.Tensor, block: slice, gradient: torch.Tensor) -> None:
        """Replace x by the derivative of the loss with respect to it; `gradient` is that with respect to the sums."""


@dataclass(frozen=True, eq=False)
class PaintedDice:
    """Sums of the Dice between soft and painted masks: overlap and squared size of the soft mask, (R, 2).

    `unknown` (R', N) marks pixels of the first R' rows that are left out; None leaves out none.
    """

    painted: PaintedPixels
    unknown: torch.Tensor | None

    def sums(self, x: torch.Tensor, block: slice) -> torch.Tensor:
        """Return the sums."""
        soft = _soft_masks_(_leave_out_(x, self.unknown, block, -FAR))
        columns, rows = self.painted.within(block)
        overlap = soft.new_zeros(len(soft)).index_add_(0, rows, soft[rows, columns])
        return torch.stack((overlap, soft.square().sum(1)), 1)

    def differentiate(self, x: torch.Tensor, block: slice, gradient: torch.Tensor) -> None:
        """Replace x by the derivative."""
        soft = _soft_masks_(_leave_out_(x, self.unknown, block, -FAR))
        columns, rows = self.painted.within(block)
        of_overlap = _LN2 * gradient[rows, 0] * soft[rows, columns]
        x.mul_(soft * (2.0 * _LN2 * gradient[:, 1:]))
        x[rows, columns] += of_overlap


@dataclass(frozen=True, eq=False)
class PaintedCrossEntropy:
    """Sum of the binary cross-entropy between soft masks S and painted masks, (R, 1); `unknown` as in `PaintedDice`.

    log S is the exponent itself, log(1 - S) = log(-expm1(log S)): neither rounds S first.
    """

    painted: PaintedPixels
    unknown: torch.Tensor | None

    def sums(self, x: torch.Tensor, block: slice) -> torch.Tensor:
        """Return the sums."""
        exponents = _leave_out_(x, self.unknown, block, -FAR).mul_(_LN2)
        columns, rows = self.painted.within(block)
        of_painted = exponents[rows, columns]
        outside = exponents.clamp_(_CROSS_ENTROPY_FLOOR, -_CROSS_ENTROPY_MARGIN).expm1_().neg_().log_()
        outside[rows, columns] = of_painted
        return -outside.sum(1, keepdim=True)

    def differentiate(self, x: torch.Tensor, block: slice, gradient: torch.Tensor) -> None:
        """Replace x by the derivative."""
        depths = _leave_out_(x, self.unknown, block, -FAR).mul_(-_LN2)
        columns, rows = self.painted.within(block)
        torch.threshold_(depths, _CROSS_ENTROPY_MARGIN, FAR).clamp_(max=-_CROSS_ENTROPY_FLOOR).expm1_().reciprocal_()
        depths[rows, columns] = -1.0
        depths.mul_(_LN2 * gradient)


@dataclass(frozen=True, eq=False)
class UnlabeledHinge:
    """Sum of [margin - distance]+^2 over the pixels of weight 1 in `weight` (N,), and how many are within, (R, 2).

    The number is left at zero unless `counts`; `unknown` as in `PaintedDice`.
    """

    weight: torch.Tensor
    margin: float
    unknown: torch.Tensor | None
    counts: bool

    def sums(self, x: torch.Tensor, block: slice) -> torch.Tensor:
        """Return the sums."""
        distances = _leave_out_(x, self.unknown, block, FAR).clamp_(min=0.0).sqrt_()
        hinges = distances.neg_().add_(self.margin).clamp_(min=0.0)
        weight = self.weight[block]
        within = (hinges > 0).to(weight.dtype) @ weight if self.counts else weight.new_zeros(len(x))
        return torch.stack((hinges.square_() @ weight, within), 1)

    def differentiate(self, x: torch.Tensor, block: slice, gradient: torch.Tensor) -> None:
        """Replace x by the derivative."""
        torch.threshold_(_leave_out_(x, self.unknown, block, FAR), _NEAR, FAR)
        x.rsqrt_().mul_(self.margin).sub_(1.0).clamp_(min=0.0)  # margin / d - 1 = hinge / d
        x.mul_(self.weight[block]).mul_(-gradient[:, :1])


@dataclass(frozen=True, eq=False)
class ViewsDice:
    """Sums of the Dice between soft masks of two views: overlap and both squared sizes, (K, 3).

    Rows of x: K of the student, then K of the teacher, whose derivative is left undone unless `teacher_learns`.
    """

    teacher_learns: bool

    def sums(self, x: torch.Tensor, block: slice) -> torch.Tensor:
        """Return the sums."""
        student, teacher = _soft_masks_(x).chunk(2)
        overlap = (student * teacher).sum(1)
        return torch.stack((overlap, student.square().sum(1), teacher.square().sum(1)), 1)

    def differentiate(self, x: torch.Tensor, block: slice, gradient: torch.Tensor) -> None:
        """Replace x by the derivative."""
        student, teacher = _soft_masks_(x).chunk(2)
        overlap, size, teacher_size = (_LN2 * gradient).split(1, dim=1)
        of_student = (teacher * overlap).addcmul_(student, 2.0 * size)
        if self.teacher_learns:
            teacher.mul_((student * overlap).addcmul_(teacher, 2.0 * teacher_size))
        student.mul_(of_student)


def _leave_out_(x: torch.Tensor, unknown: torch.Tensor | None, block: slice, value: float) -> torch.Tensor:
    if unknown is not None:
        x[: len(unknown)].masked_fill_(unknown[:, block], value)
    return x


def _soft_masks_(x: torch.Tensor) -> torch.Tensor:
    """Replace exponents to base 2 by soft masks; small ones become zero."""
    return torch.threshold_(x, _SMALLEST_EXPONENT, -math.inf).exp2_()
