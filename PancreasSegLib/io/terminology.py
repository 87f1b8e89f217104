"""SNOMED CT codes and colours of the structures, as 3D Slicer's general anatomy list has them."""

from __future__ import annotations

from dataclasses import dataclass

Code = tuple[str, str]
"""A SNOMED CT concept: code value and meaning."""

ANATOMICAL_STRUCTURE: Code = ("123037004", "Anatomical Structure")
TISSUE: Code = ("85756007", "Tissue")


@dataclass(frozen=True)
class Term:
    """What a label is.

    Attributes
    ----------
    type : tuple of (code, meaning)
        Segmented property type, SNOMED CT.
    rgb : tuple of 3 int
        Recommended display colour, 0 to 255.
    modifier : tuple of (code, meaning) or None
        The side of the body.
    category : tuple of (code, meaning)
        Segmented property category.
    """

    type: Code
    rgb: tuple[int, int, int]
    modifier: Code | None = None
    category: Code = ANATOMICAL_STRUCTURE

    @property
    def slicer_entry(self) -> str:
        """The terminology entry in the form of 3D Slicer's segmentation files."""

        def text(code: Code | None) -> str:
            return f"SCT^{code[0]}^{code[1]}" if code else "^^"

        return (
            "Segmentation category and type - 3D Slicer General Anatomy list"
            f"~{text(self.category)}~{text(self.type)}~{text(self.modifier)}"
            "~Anatomic codes - DICOM master list~^^~^^"
        )


_RIGHT: Code = ("24028007", "Right")
_LEFT: Code = ("7771000", "Left")

_TERMS = {
    "pancreas": Term(("15776009", "Pancreas"), (249, 180, 111)),
    "spleen": Term(("78961009", "Spleen"), (157, 108, 162)),
    "right kidney": Term(("64033007", "Kidney"), (185, 102, 83), _RIGHT),
    "left kidney": Term(("64033007", "Kidney"), (185, 102, 83), _LEFT),
    "gallbladder": Term(("28231008", "Gallbladder"), (139, 150, 98)),
    "liver": Term(("10200004", "Liver"), (221, 130, 101)),
    "stomach": Term(("69695003", "Stomach"), (216, 132, 105)),
    "aorta": Term(("15825003", "Aorta"), (224, 97, 76)),
    "duodenum": Term(("38848004", "Duodenum"), (255, 253, 229)),
}
_UNKNOWN = Term(TISSUE, (128, 174, 128), category=TISSUE)


def term_of(label: str) -> Term:
    """Return the codes and colour of a label; unknown names are plain tissue.

    Examples
    --------
    >>> term_of("Pancreas").type
    ('15776009', 'Pancreas')
    >>> term_of("kidney_left").modifier
    ('7771000', 'Left')
    """
    words = set(label.lower().replace("_", " ").replace("-", " ").split())
    return next((term for name, term in _TERMS.items() if words == set(name.split())), _UNKNOWN)
