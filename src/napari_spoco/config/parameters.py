"""What all parameter models have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from pydantic.config import JsonDict

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Channels = tuple[Annotated[int, Field(ge=0)], ...]


def setting(
    default: Any,
    title: str,
    description: str,
    *,
    unit: str = "",
    slider: tuple[float, float] | None = None,
    **bounds: Any,
) -> Any:
    """Declare a parameter: `title` labels it in forms, `description` is its tooltip, `unit` stands behind it.

    `slider` is the range in which one usually looks for a value, which says that one looks for it with a slider.
    """
    extra: JsonDict = {"unit": unit, "slider": None if slider is None else list(slider)}
    return Field(default, title=title, description=description, json_schema_extra=extra, **bounds)


class Parameters(BaseModel):
    """Base of all parameter models: immutable, and unknown names are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
