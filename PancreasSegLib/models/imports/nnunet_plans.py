"""nnU-Net v2's ``plans.json`` and ``dataset.json``: how a network is built and fed."""

from __future__ import annotations

from typing import Any

from PancreasSegLib.errors import ModelPackageError
from PancreasSegLib.models.imports.bundle_transforms import CT_HU
from PancreasSegLib.models.imports.open_ends import AS_FILED
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
_STEPS_OF: dict[str, tuple[dict[str, Any], ...]] = {
    "NoNormalization": (),
    "ZScoreNormalization": ({"step": "zscore"},),
    "RescaleTo01Normalization": ({"step": "range", "low": 0.0, "high": 1.0},),
}


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
    def reader_axes(self) -> str:
        """Where the axes of its reader's images lead, "" if that takes them as they lie in the file."""
        return _READERS_THAT_REORIENT.get(str(self.plans.get("image_reader_writer", "")), "")

    def network_axes(self, given: str, *, mirrored: bool) -> tuple[str, bool, list[str]]:
        """Return where the network's axes lead.

        Parameters
        ----------
        given : str
            Axes in the order x, y, z that the user says; ``"FILE"`` for as they lie in the file; or nothing.
        mirrored : bool
            Whether the training mirrored scans, so that it matters little which way an axis leads.

        Returns
        -------
        axes : str
            In the network's order.
        as_filed : bool
            Whether they are those of the file, whatever they are, and `axes` says only how they are exchanged.
        notes : list of str

        Raises
        ------
        ModelPackageError
            If only its maker knows, and it matters.
        """
        if self.reader_axes:
            return self.permuted(self.reader_axes), False, []
        if given and given != AS_FILED:
            return self.permuted(given[::-1]), False, []
        if not given and not mirrored:
            raise ModelPackageError(
                f"{self.file}: the model takes scans as they lie in their files, and was trained without "
                "mirroring, so that it matters which way their axes lead.",
                "Say which its training scans had: --axes RAS for most NIfTI files, --axes LPS for files made of "
                "DICOM, or --axes file to take every scan as it lies in its file, as nnU-Net does.",
            )
        note = (
            "As in nnU-Net, scans are taken as they lie in their files. Where yours lie in another way than its "
            "training scans did, import it again and name those, e.g. --axes RAS, which most NIfTI files have."
        )
        return self.permuted("SPL"), True, [] if given else [note]

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

    def normalisation(self) -> tuple[tuple[float, float], float, float, tuple[dict[str, Any], ...]]:
        """Window, mean, SD, and what follows.

        Raises
        ------
        ModelPackageError
            If it is of another kind.
        """
        schemes = self.fields.items("normalization_schemes")
        if schemes in (["NoNormalization"], ["ZScoreNormalization"], ["RescaleTo01Normalization"]):
            return CT_HU, 0.0, 1.0, _STEPS_OF[schemes[0]]
        if schemes != ["CTNormalization"]:
            raise ModelPackageError(
                f"{self.file}: the normalisation {schemes} cannot be taken over.",
                f"CTNormalization, {', '.join(_STEPS_OF)} of one CT can be.",
            )
        if self.fields.value.get("use_mask_for_norm") not in (None, [False]):
            raise self.fields.error("use_mask_for_norm", "false, as for CTs")
        every = JsonFields(
            self.plans.mapping("foreground_intensity_properties_per_channel"), self.file, "foreground_intensity"
        )
        found = JsonFields(every.get("0"), self.file, "foreground_intensity_properties_per_channel.0")
        window = (found.number("percentile_00_5"), found.number("percentile_99_5"))
        if window[0] >= window[1]:
            raise found.error("percentile_99_5", "above percentile_00_5")
        # nnU-Net divides by at least 1e-8
        return window, found.number("mean"), max(found.number("std"), 1e-8), ()

    @property
    def regions(self) -> bool:
        """Whether its labels are regions that overlap, each of which is scored by itself."""
        return any(isinstance(v, list) and len(v) > 1 for v in self.dataset.mapping("labels").values())

    @property
    def out_channels(self) -> int:
        """Channels of the network."""
        return len(self.labels()) + (not self.regions)

    def labels(self) -> dict[str, int]:
        """Foreground labels by name; of regions the number of their channel, counted from 1.

        Raises
        ------
        ModelPackageError
            If the model takes more than a CT, or its labels make no sense.
        """
        channels = self.dataset.value.get("channel_names", self.dataset.value.get("modality", {}))
        if not isinstance(channels, dict) or len(channels) != 1:
            raise ModelPackageError(f"{self.dataset.file}: the model takes {len(channels)} images, not one CT.")
        labels = {str(name).strip(): v for name, v in self.dataset.mapping("labels").items()}
        if self.regions:
            names = [name for name, v in labels.items() if v not in (0, [0]) and name != "ignore"]
            order = self.dataset.items("regions_class_order")
            if len(order) != len(names) or len(names) > 255:
                raise self.dataset.error("regions_class_order", f"a value for each of {len(names)} regions")
            return {name: channel for channel, name in enumerate(names, 1)}
        try:
            values = {name: int(v[0] if isinstance(v, list) else v) for name, v in labels.items()}
        except (TypeError, ValueError, IndexError):
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
