"""Converts EfficientNet-Lite2 to ONNX, from the author's PyTorch state dict.

The architecture follows https://github.com/tensorflow/tpu/tree/master/models/official/
efficientnet/lite: EfficientNet-B0's stages, scaled, without squeeze-and-excitation, with ReLU6.
Batch normalization is folded into the preceding convolution.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from localcloud.rekognition.conversion.torch_state import read_state_dict

INPUT_SIDE = 260
_WIDTH_SCALE = 1.1
_DEPTH_SCALE = 1.2
_CLASS_COUNT = 1000
_BATCH_NORM_EPSILON = 1e-3
_OPSET = 17
_IR_VERSION = 8

Array = NDArray[np.float32]


@dataclass(frozen=True)
class _Stage:
    kernel: int
    stride: int
    expansion: int
    output_channels: int
    repeats: int


_STAGES = (
    _Stage(kernel=3, stride=1, expansion=1, output_channels=16, repeats=1),
    _Stage(kernel=3, stride=2, expansion=6, output_channels=24, repeats=2),
    _Stage(kernel=5, stride=2, expansion=6, output_channels=40, repeats=2),
    _Stage(kernel=3, stride=2, expansion=6, output_channels=80, repeats=3),
    _Stage(kernel=5, stride=1, expansion=6, output_channels=112, repeats=3),
    _Stage(kernel=5, stride=2, expansion=6, output_channels=192, repeats=4),
    _Stage(kernel=3, stride=1, expansion=6, output_channels=320, repeats=1),
)


def convert(state_dict: Path, output: Path) -> None:
    """Write the ONNX model: input `image` [N, 3, 260, 260], output `probabilities` [N, 1000]."""
    graph = _Network(read_state_dict(state_dict)).build()
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION
    )
    onnx.checker.check_model(model)
    onnx.save(model, str(output))


class _Network:
    """Builds the graph node by node; each method takes and returns the name of a value."""

    def __init__(self, weights: dict[str, Array]) -> None:
        self._weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._initializers = [
            numpy_helper.from_array(np.array(0, np.float32), "zero"),
            numpy_helper.from_array(np.array(6, np.float32), "six"),
        ]
        self._side = INPUT_SIDE

    def build(self) -> onnx.GraphProto:
        """The whole graph."""
        value = self._convolve("image", "_conv_stem", "_bn0", stride=2)
        channels, block = 32, 0  # the Lite networks do not scale the stem
        for position, stage in enumerate(_STAGES):
            is_scaled = position not in (0, len(_STAGES) - 1)
            repeats = math.ceil(stage.repeats * _DEPTH_SCALE) if is_scaled else stage.repeats
            output_channels = _scaled_channels(stage.output_channels)
            for repeat in range(repeats):
                stride = stage.stride if repeat == 0 else 1
                value = self._inverted_residual(
                    value, f"_blocks.{block}.", stage, channels, output_channels, stride
                )
                channels, block = output_channels, block + 1
        value = self._convolve(value, "_conv_head", "_bn1", stride=1)
        self._classify(value)
        return helper.make_graph(
            self._nodes,
            "efficientnet-lite2",
            [_tensor_of_any_batch("image", 3, INPUT_SIDE, INPUT_SIDE)],
            [_tensor_of_any_batch("probabilities", _CLASS_COUNT)],
            self._initializers,
        )

    def _inverted_residual(
        self,
        value: str,
        prefix: str,
        stage: _Stage,
        channels: int,
        output_channels: int,
        stride: int,
    ) -> str:
        shortcut, groups = value, channels * stage.expansion
        if stage.expansion != 1:
            value = self._convolve(value, f"{prefix}_expand_conv", f"{prefix}_bn0", stride=1)
        value = self._convolve(
            value, f"{prefix}_depthwise_conv", f"{prefix}_bn1", stride=stride, groups=groups
        )
        value = self._convolve(
            value, f"{prefix}_project_conv", f"{prefix}_bn2", stride=1, is_activated=False
        )
        if stride == 1 and channels == output_channels:
            value = self._append("Add", value, shortcut, output=f"{prefix}sum")
        return value

    def _convolve(
        self,
        value: str,
        name: str,
        norm: str,
        *,
        stride: int,
        groups: int = 1,
        is_activated: bool = True,
    ) -> str:
        weight, bias = self._folded(f"{name}.weight", norm)
        kernel = weight.shape[2]
        before, after = self._same_padding(kernel, stride)
        self._initializers.append(numpy_helper.from_array(weight, name))
        self._initializers.append(numpy_helper.from_array(bias, f"{name}.bias"))
        value = self._append(
            "Conv",
            *(value, name, f"{name}.bias"),
            output=f"{name}.output",
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[before, before, after, after],
            group=groups,
        )
        if is_activated:
            value = self._append("Clip", value, "zero", "six", output=f"{name}.relu6")
        return value

    def _folded(self, weight_name: str, norm: str) -> tuple[Array, Array]:
        gamma, beta, mean, variance = (
            self._weights[f"{norm}.{part}"]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = gamma / np.sqrt(variance + _BATCH_NORM_EPSILON)
        weight = self._weights[weight_name] * scale[:, None, None, None]
        return weight.astype(np.float32), (beta - mean * scale).astype(np.float32)

    def _same_padding(self, kernel: int, stride: int) -> tuple[int, int]:
        """The padding before and after for TensorFlow's SAME; updates the side to the output's."""
        output_side = -(-self._side // stride)
        total = max((output_side - 1) * stride + kernel - self._side, 0)
        self._side = output_side
        return total // 2, total - total // 2

    def _classify(self, value: str) -> None:
        for part in ("weight", "bias"):
            array = self._weights[f"_fc.{part}"]
            self._initializers.append(numpy_helper.from_array(array, f"_fc.{part}"))
        value = self._append("GlobalAveragePool", value, output="pooled")
        value = self._append("Flatten", value, output="features")
        value = self._append("Gemm", value, "_fc.weight", "_fc.bias", output="logits", transB=1)
        self._append("Softmax", value, output="probabilities", axis=1)

    def _append(self, operator: str, *inputs: str, output: str, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output


def _scaled_channels(channels: int) -> int:
    """The scaled width, rounded to a multiple of 8 but never below 90 % of the exact width."""
    exact = channels * _WIDTH_SCALE
    rounded = max(8, int(exact + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * exact else rounded


def _tensor_of_any_batch(name: str, *shape: int) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])
