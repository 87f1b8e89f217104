"""nnU-Net v2's ``plans.json`` and ``dataset.json``: how a network is built and fed."""

from __future__ import annotations

from typing import Any

from PancreasSegLib.errors import ModelPackageError
from PancreasSegLib.models.imports.bundle_transforms import CT_HU
from PancreasSegLib.models.json_fields import JsonFields

_ARCHITECTURES = {"PlainConvUNet": "nnunet-plain", "ResidualEncoderUNet": "nnunet-residual"}
_NORMS = {
    "InstanceNorm3d": "instance",
    "InstanceNorm2d": "instance",
    "BatchNorm3d": "batch",
    "BatchNorm2d": "batch",
}
_ACTIVATIONS = {"LeakyReLU": "leakyrelu", "ReLU": "relu"}
_READERS_THAT_REORIENT = {"NibabelIOWithReorient": "SAR"}


class Plans:
    """One configuration of a plans file.

    Parameters
    ----------
    plans, dataset : dict
        The two files.
    configuration : str
        E.g. ``"3d_fullres"``.
    file : str
        The plans file, for the errors.

    Raises
    ------
    ModelPackageError
        If a field is missing or makes no sense, or the configuration is one that cannot run by itself.
    """

    def __init__(self, plans: dict[str, Any], dataset: dict[str, Any], configuration: str, file: str) -> None:
        self.file, self.configuration = file, configuration
        self.plans = JsonFields(plans, file, "")
        self.dataset = JsonFields(dataset, file.replace("plans.json", "dataset.json"), "")
        self.fields = JsonFields(self._inherited(configuration), file, f"configurations.{configuration}")
        if self.fields.value.get("previous_stage"):
            raise ModelPackageError(
                f"{file}: {configuration} refines what {self.fields.value['previous_stage']} found, and such a "
                "cascade cannot be imported.",
                "Import 3d_fullres or 3d_lowres.",
            )

    def _inherited(self, name: str, seen: tuple[str, ...] = ()) -> dict[str, Any]:
        """A configuration with the fields of the one that it inherits from."""
        configurations = self.plans.mapping("configurations")
        if name not in configurations or name in seen:
            raise ModelPackageError(
                f"{self.file} has no configuration {name!r}.", f"It has {', '.join(map(str, configurations))}."
            )
        own = JsonFields(configurations[name], self.file, f"configurations.{name}").value
        parent = own.get("inherits_from")
        return {**self._inherited(str(parent), (*seen, name)), **own} if parent else own

    @property
    def axes(self) -> str:
        """Where the network's axes lead, "" if nnU-Net takes them as they are in the file."""
        reader = str(self.plans.get("image_reader_writer", ""))
        base = _READERS_THAT_REORIENT.get(reader, "")
        return self.permuted(base) if base else ""

    def permuted(self, zyx: str) -> str:
        """Put letters from the order z, y, x of nnU-Net's readers into the network's order."""
        order = self.plans.get("transpose_forward", [0, 1, 2])
        if sorted(order if isinstance(order, list) else []) != [0, 1, 2]:
            raise self.plans.error("transpose_forward", "an order of 0, 1 and 2")
        return "".join(zyx[i] for i in order)

    @property
    def is_flat(self) -> bool:
        """Whether the network sees slices."""
        return len(self.fields.items("patch_size")) == 2

    @property
    def spacing_mm(self) -> tuple[float, ...]:
        """Along the network's axes; slices lie as far apart as in the middle one of the training scans."""
        if not self.is_flat:
            return self.fields.numbers("spacing", 3, positive=True)
        usual = self.plans.numbers("original_median_spacing_after_transp", 3, positive=True)
        return (usual[0], *self.fields.numbers("spacing", 2, positive=True))

    @property
    def patch(self) -> tuple[int, ...]:
        """Along the network's axes; 1 across slices."""
        if not self.is_flat:
            return self.fields.sizes("patch_size")
        if self.permuted("zyx")[0] != "z":
            raise self.plans.error(
                "transpose_forward", "one that leaves slices axial, as a network for slices needs"
            )
        whole = JsonFields({"patch_size": [1, *self.fields.items("patch_size")]}, self.file, self.fields.place)
        return whole.sizes("patch_size")

    def normalisation(self) -> tuple[tuple[float, float], float, float, list[str]]:
        """Window, mean, SD, and what to tell the user.

        Raises
        ------
        ModelPackageError
            If each scan is measured anew.
        """
        schemes = self.fields.items("normalization_schemes")
        if schemes == ["NoNormalization"]:
            return CT_HU, 0.0, 1.0, [f"Its HU are not clipped; ours are, at {CT_HU[0]:g} and {CT_HU[1]:g}."]
        if schemes != ["CTNormalization"]:
            raise ModelPackageError(
                f"{self.file}: the normalisation {schemes} cannot be taken over.",
                "CTNormalization and NoNormalization of one CT can be.",
            )
        every = JsonFields(
            self.plans.mapping("foreground_intensity_properties_per_channel"), self.file, "foreground_intensity"
        )
        found = JsonFields(every.get("0"), self.file, "foreground_intensity_properties_per_channel.0")
        window = (found.number("percentile_00_5"), found.number("percentile_99_5"))
        if window[0] >= window[1]:
            raise found.error("percentile_99_5", "above percentile_00_5")
        # nnU-Net divides by at least 1e-8
        return window, found.number("mean"), max(found.number("std"), 1e-8), []

    def labels(self) -> dict[str, int]:
        """Foreground labels by name.

        Raises
        ------
        ModelPackageError
            If the model was trained on regions.
        """
        channels = self.dataset.value.get("channel_names", self.dataset.value.get("modality", {}))
        if not isinstance(channels, dict) or len(channels) != 1:
            raise ModelPackageError(f"{self.dataset.file}: the model takes {len(channels)} images, not one CT.")
        labels = self.dataset.mapping("labels")
        if "regions_class_order" in self.dataset.value or any(isinstance(v, list) for v in labels.values()):
            raise ModelPackageError(
                f"{self.dataset.file}: the model was trained on regions, which are labels that overlap, and "
                "cannot be imported."
            )
        try:
            values = {str(name).strip(): int(v) for name, v in labels.items()}
        except (TypeError, ValueError):
            raise self.dataset.error("labels", "names with whole numbers") from None
        found = {name: v for name, v in values.items() if v > 0 and name != "ignore"}
        if not found or sorted(found.values()) != list(range(1, len(found) + 1)) or len(found) > 255:
            raise self.dataset.error("labels", "names with the values 0, 1, 2, ...")
        return found

    def network(self, out_channels: int) -> tuple[str, dict[str, Any]]:
        """Name and arguments of the network.

        Raises
        ------
        ModelPackageError
            If it is another class than nnU-Net's own, or has layers that are not known.
        """
        if "architecture" in self.fields.value:
            return self._named_network(out_channels)
        return self._older_network(out_channels)

    def _named_network(self, out_channels: int) -> tuple[str, dict[str, Any]]:
        place = f"{self.fields.place}.architecture"
        about = JsonFields(self.fields.get("architecture"), self.file, place)
        name = self._class(about.text("network_class_name"))
        given = JsonFields(about.mapping("arch_kwargs"), self.file, f"{place}.arch_kwargs")
        if given.value.get("nonlin_first") or given.value.get("squeeze_excitation"):
            raise ModelPackageError(f"{self.file}: the network has layers in an order that is not known.")
        if not str(given.value.get("block", "BasicBlockD")).endswith("BasicBlockD") or given.value.get(
            "stem_channels"
        ):
            raise ModelPackageError(f"{self.file}: the network has blocks that are not known.")
        levels = given.integer("n_stages")
        if not 2 <= levels <= 12:
            raise given.error("n_stages", "from 2 to 12")
        norm = _NORMS.get(str(given.get("norm_op")).rpartition(".")[2])
        activation = _ACTIVATIONS.get(str(given.get("nonlin")).rpartition(".")[2])
        if norm is None or activation is None:
            raise ModelPackageError(
                f"{self.file}: the network has {given.get('norm_op')} and {given.get('nonlin')}, "
                "which are not known."
            )
        blocks = "n_conv_per_stage" if name == "nnunet-plain" else "n_blocks_per_stage"
        return name, {
            "in_channels": 1,
            "out_channels": out_channels,
            "spatial_dims": 2 if self.is_flat else 3,
            "filters": _each(given.get("features_per_stage"), levels),
            "kernel_size": _each(given.get("kernel_sizes"), levels),
            "strides": _each(given.get("strides"), levels),
            "blocks": _each(given.get(blocks), levels),
            "decoder_blocks": _each(given.get("n_conv_per_stage_decoder"), levels - 1),
            "conv_bias": bool(given.get("conv_bias", False)),
            "norm": [norm, given.mapping("norm_op_kwargs", {}) or {}],
            "activation": [activation, given.mapping("nonlin_kwargs", {}) or {}],
        }

    def _older_network(self, out_channels: int) -> tuple[str, dict[str, Any]]:
        """Plans before nnU-Net 2.4 say only what was planned, and the rest follows from the class."""
        fields = self.fields
        name = self._class(fields.text("UNet_class_name"))
        kernels = fields.items("conv_kernel_sizes")
        base, most = fields.integer("UNet_base_num_features"), fields.integer("unet_max_num_features")
        return name, {
            "in_channels": 1,
            "out_channels": out_channels,
            "spatial_dims": 2 if self.is_flat else 3,
            "filters": [min(base * 2**level, most) for level in range(len(kernels))],
            "kernel_size": kernels,
            "strides": fields.items("pool_op_kernel_sizes"),
            "blocks": fields.items("n_conv_per_stage_encoder"),
            "decoder_blocks": fields.items("n_conv_per_stage_decoder"),
            "conv_bias": True,
            "norm": ["instance", {"eps": 1e-5, "affine": True}],
            "activation": ["leakyrelu", {"inplace": True}],
        }

    def _class(self, target: str) -> str:
        name = target.rpartition(".")[2]
        if name not in _ARCHITECTURES:
            raise ModelPackageError(
                f"{self.file}: the network {target!r} cannot be imported.",
                f"Known are {', '.join(_ARCHITECTURES)}.",
            )
        return _ARCHITECTURES[name]


def _each(value: Any, count: int) -> Any:
    return [value] * count if isinstance(value, int) else value
