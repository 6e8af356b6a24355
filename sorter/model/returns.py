"""What the return registry knows about a parcel."""

from __future__ import annotations

from dataclasses import dataclass

from sorter.model.codes import Grade, ReturnReason


@dataclass(frozen=True, slots=True)
class ReturnRecord:
    """One announced return (RMA line). Holds no name and no address.

    Attributes
    ----------
    identity : str
        Normalised key of the label, e.g. ``sscc:340123450000000018`` or ``text:RMA0001``.
    label : str
        Text as printed in the bar code.
    grade : Grade
    category : str
    reason : ReturnReason
    hazmat : bool
    value_cents : int
    country : str
        ISO 3166-1 alpha-2.
    days_held : int
        Days from delivery to return, -1 when unknown.
    """

    identity: str
    label: str
    grade: Grade
    category: str
    reason: ReturnReason
    hazmat: bool
    value_cents: int
    country: str
    days_held: int
