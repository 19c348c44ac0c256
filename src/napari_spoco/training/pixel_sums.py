"""Sums over all pixels of functions of their distances to a few points, with gradient.

The loss needs, per object and per anchor, a few sums over every pixel of the image and never the map itself. With

    |p - e|^2 = (-2 p, 1, |p|^2) . (e, |e|^2, 1)

all squared distances of a block of pixels are one matrix product, and their gradient is two more. A block is small
enough to stay in the cache while everything is done with it, and the backward pass computes it again, so that memory
does not grow with the number of objects. The functions themselves stand in `summands.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.autograd.function import once_differentiable

from napari_spoco.training.summands import FAR

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from napari_spoco.training.summands import Summand

_CPU_BLOCK = 2**19
"""Products per block, so that they stay in the cache ..."""
_GPU_BLOCK = 2**27
"""... and, where starting a kernel costs more than memory, half a gigabyte of them: whole images in practice."""
_WIDTH = 64
"""Blocks are a multiple of this wide: odd widths cost matrix products a third more."""


class Request(NamedTuple):
    """What is to be summed: `summand` of `scale` times the squared distances to `points` (R, E).

    With `teacher_points` (R', E), their products with the teacher's embeddings follow in the rows below.
    """

    summand: Summand
    points: torch.Tensor
    scale: float = 1.0
    teacher_points: torch.Tensor | None = None


def take_pixels(
    embeddings: torch.Tensor, pixels: Sequence[torch.Tensor]
) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    """Take some pixels (M,) of each image out of embeddings (B, E, N).

    Returns the embeddings and per image the taken ones (E, M). From there on use the returned embeddings, once, in
    `take_pixels` or `pixel_sums` and nowhere else: what flows back into them is added to in place.
    """
    embeddings, *taken = _TakePixels.apply(embeddings, *pixels)  # type: ignore[no-untyped-call]
    return embeddings, tuple(taken)


def pixel_sums(
    student: torch.Tensor,
    teacher: torch.Tensor | None,
    requests: Sequence[Mapping[str, Request]],
    ignored: torch.Tensor,
) -> list[dict[str, torch.Tensor]]:
    """Sum over the pixels of each image all that is requested.

    Parameters
    ----------
    student, teacher
        Embeddings (B, E, N); gradient flows into them and into the points, if they require it.
    requests
        Per image what is to be summed, by name; only the last may have points of the teacher.
    ignored
        Bool (B, N), pixels that take no part: they are infinitely far from every point.

    Returns
    -------
    list of dict of str to torch.Tensor
        Per image the sums (rows, number of sums), by the same names.
    """
    layouts, factors = [], []
    for of_image in requests:
        layout, of_views = _lay_out(list(of_image.values()))
        layouts.append(layout)
        factors += of_views
    if not factors:
        return [{} for _ in requests]
    far = ignored.to(student.dtype) * FAR
    sums = iter(_PixelSums.apply(layouts, far, student, teacher, *factors))  # type: ignore[no-untyped-call]
    return [{name: next(sums) for name in of_image} for of_image in requests]


class _Layout(NamedTuple):
    """Rows of the products of one image: the summands with their numbers of rows, and the centre (E, 1) per view."""

    parts: list[tuple[Summand, int]]
    centres: list[torch.Tensor]


def _lay_out(requests: list[Request]) -> tuple[_Layout, list[torch.Tensor]]:
    """Return the layout of an image and the factors (R, E + 2) of its views; rows of the teacher come last."""
    parts = [(request.summand, len(request.points)) for request in requests]
    views = [[(request.points, request.scale) for request in requests]] if requests else []
    if requests and (teacher_points := requests[-1].teacher_points) is not None:
        views.append([(teacher_points, requests[-1].scale)])
        parts[-1] = (requests[-1].summand, len(requests[-1].points) + len(teacher_points))
    centres = [torch.cat([points.detach() for points, _ in view]).mean(0) for view in views]
    factors = [_factors(view, centre) for view, centre in zip(views, centres, strict=True)]
    return _Layout(parts, [centre[:, None] for centre in centres]), factors


def _factors(view: list[tuple[torch.Tensor, float]], centre: torch.Tensor) -> torch.Tensor:
    """Return scale (-2p, 1, |p|^2) for all points p, seen from the centre: so distances round less."""
    factors = []
    for points, scale in view:
        centred = points - centre
        lengths = centred.square().sum(1, keepdim=True)
        factors.append(scale * torch.cat((-2.0 * centred, torch.ones_like(lengths), lengths), 1))
    return torch.cat(factors)


@dataclass(frozen=True, eq=False)
class _ImageWalk:
    """The walk over the blocks of one image; `embeddings` (E, N) and `factors` (R, E + 2) per view."""

    layout: _Layout
    embeddings: list[torch.Tensor]
    factors: list[torch.Tensor]
    far: torch.Tensor

    def sums(self) -> list[torch.Tensor]:
        """Add up the sums of all blocks."""
        totals: list[torch.Tensor] = []
        for block in self._blocks():
            _, products = self._products(block)
            sums = [summand.sums(x, block) for summand, x in self._by_summand(products)]
            totals = [total + more for total, more in zip(totals, sums, strict=True)] if totals else sums
        return totals

    def differentiate(
        self, gradients: list[torch.Tensor], of_embeddings: list[torch.Tensor | None]
    ) -> list[torch.Tensor]:
        """Compute the blocks again and write the gradient `of_embeddings`, per view; return that of the factors."""
        of_factors = [torch.zeros_like(factors) for factors in self.factors]
        for block in self._blocks():
            lifted, products = self._products(block)
            for (summand, x), gradient in zip(self._by_summand(products), gradients, strict=True):
                summand.differentiate(x, block, gradient)
            by_view = products.split([len(factors) for factors in self.factors])
            for x, up, factors, of_rows, out in zip(
                by_view, lifted, self.factors, of_factors, of_embeddings, strict=True
            ):
                if out is not None:
                    of_rows.addmm_(x, up.T)
                    down = factors.T @ x
                    torch.addcmul(down[:-2], up[:-2], down[-2], value=2.0, out=out[:, block])
        return of_factors

    def _blocks(self) -> Iterator[slice]:
        """Cut the pixels into blocks that suit the device, and of a width that suits matrix products."""
        n_pixels = len(self.far)
        n_products = _CPU_BLOCK if self.far.device.type == "cpu" else _GPU_BLOCK
        n_rows = sum(len(factors) for factors in self.factors)
        size = max(1, n_products // max(n_rows, 1) // _WIDTH) * _WIDTH
        return (slice(start, min(start + size, n_pixels)) for start in range(0, n_pixels, size))

    def _products(self, block: slice) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Return (e, |e|^2, 1) of the pixels of a block, (E + 2, n) per view, and their products with all factors."""
        n_rows = [len(factors) for factors in self.factors]
        products = self.far.new_empty((sum(n_rows), block.stop - block.start))
        lifted = []
        for embeddings, centre, factors, out in zip(
            self.embeddings, self.layout.centres, self.factors, products.split(n_rows), strict=True
        ):
            up = self.far.new_empty((len(embeddings) + 2, block.stop - block.start))
            torch.sub(embeddings[:, block], centre, out=up[:-2])
            torch.add(up[:-2].square().sum(0), self.far[block], out=up[-2])
            up[-1] = 1.0
            torch.mm(factors, up, out=out)
            lifted.append(up)
        return lifted, products

    def _by_summand(self, products: torch.Tensor) -> list[tuple[Summand, torch.Tensor]]:
        parts = products.split([n_rows for _, n_rows in self.layout.parts])
        return [(summand, x) for (summand, _), x in zip(self.layout.parts, parts, strict=True)]


def _walks(layouts: list[_Layout], far: torch.Tensor, *tensors: torch.Tensor) -> Iterator[_ImageWalk]:
    student, teacher, *remaining = tensors
    factors = iter(remaining)
    for index, layout in enumerate(layouts):
        embeddings = [view[index] for view in (student, teacher)[: len(layout.centres)]]
        yield _ImageWalk(layout, embeddings, [next(factors) for _ in embeddings], far[index])


class _PixelSums(torch.autograd.Function):
    """The walk over all images."""

    @staticmethod
    def forward(
        ctx: Any, layouts: list[_Layout], far: torch.Tensor, *tensors: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """Return the sums of all summands of all images; `tensors` are student, teacher and factors."""
        ctx.layouts = layouts
        ctx.save_for_backward(far, *tensors)
        return tuple(total for walk in _walks(layouts, far, *tensors) for total in walk.sums())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Return the gradients of student, teacher and factors."""
        far, *tensors = ctx.saved_tensors
        needed = ctx.needs_input_grad[2:4]
        of_views = [torch.empty_like(view) if need else None for view, need in zip(tensors[:2], needed, strict=True)]
        of_factors: list[torch.Tensor] = []
        remaining = iter(gradients)
        for index, walk in enumerate(_walks(ctx.layouts, far, *tensors)):
            of_embeddings = [None if of_view is None else of_view[index] for of_view in of_views]
            n_views = len(walk.embeddings)
            for unused in of_embeddings[n_views:]:
                if unused is not None:
                    unused.zero_()
            mine = [next(remaining) for _ in walk.layout.parts]
            of_factors += walk.differentiate(mine, of_embeddings[:n_views])
        return (None, None, *of_views, *of_factors)


class _TakePixels(torch.autograd.Function):
    """Index selection whose gradient needs no image of zeros."""

    @staticmethod
    def forward(ctx: Any, embeddings: torch.Tensor, *pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the embeddings and the taken ones of each image."""
        ctx.pixels = pixels
        taken = (image.index_select(1, chosen) for image, chosen in zip(embeddings, pixels, strict=True))
        return (embeddings.view_as(embeddings), *taken)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor, *of_taken: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """Add the gradients of the taken ones where they were taken."""
        for image, chosen, of_image in zip(gradient, ctx.pixels, of_taken, strict=True):
            image.index_add_(1, chosen, of_image)
        return (gradient, *(None for _ in of_taken))
