"""Converts the face descriptor network to ONNX: a ResNet of 29 convolutions.

The weights are those of dlib's dlib_face_recognition_resnet_model_v1, quantized to 8 bits by
face-api.js. It publishes no graph, only code (src/faceRecognitionNet/), so the graph is built here,
channels first.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from localcloud.rekognition.conversion.tensorflow_js import Array, read_weights

INPUT_SIDE = 150
DESCRIPTOR_SIZE = 128
_OPSET = 17
_IR_VERSION = 8

# Each group but the first begins with a layer that halves the height and width.
_LAYERS = (
    *("conv32_1", "conv32_2", "conv32_3"),
    *("conv64_down", "conv64_1", "conv64_2", "conv64_3"),
    *("conv128_down", "conv128_1", "conv128_2"),
    *("conv256_down", "conv256_1", "conv256_2", "conv256_down_out"),
)


def convert(manifest: Path, output: Path) -> None:
    """Write the ONNX model: input `image` [1, 3, 150, 150], output `descriptor` [1, 128]."""
    weights = read_weights({"weightsManifest": json.loads(manifest.read_text())}, manifest.parent)
    model = helper.make_model(
        _Graph(weights).build(),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
    )
    onnx.checker.check_model(model)
    onnx.save(model, str(output))


class _Graph:
    """Builds the graph layer by layer; each method takes and returns the name of a value."""

    def __init__(self, weights: dict[str, Array]) -> None:
        self._weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, onnx.TensorProto] = {}

    def build(self) -> onnx.GraphProto:
        """The whole graph."""
        value, side = self._convolve("image", "conv32_down", stride=2), (INPUT_SIDE - 7) // 2 + 1
        value = self._append("Relu", value)
        value = self._append("MaxPool", value, kernel_shape=[3, 3], strides=[2, 2])
        side = (side - 3) // 2 + 1
        for name in _LAYERS:
            if "down" in name:
                value, side = self._halving_layer(value, name, side)
            else:
                value = self._layer(value, name)
        value = self._append("ReduceMean", value, axes=[2, 3], keepdims=0)
        self._append("MatMul", value, self._constant("fc", self._weights["fc"]), name="descriptor")
        return helper.make_graph(
            self._nodes,
            "face-descriptor",
            [_tensor("image", [1, 3, INPUT_SIDE, INPUT_SIDE])],
            [_tensor("descriptor", [1, DESCRIPTOR_SIZE])],
            list(self._initializers.values()),
        )

    def _layer(self, value: str, name: str) -> str:
        changed = self._append("Relu", self._convolve(value, f"{name}/conv1"))
        changed = self._convolve(changed, f"{name}/conv2")
        return self._append("Relu", self._append("Add", changed, value))

    def _halving_layer(self, value: str, name: str, side: int) -> tuple[str, int]:
        """A residual layer that halves the side and widens to the convolutions' channels."""
        changed = self._append("Relu", self._convolve(value, f"{name}/conv1", stride=2))
        changed = self._convolve(changed, f"{name}/conv2")
        pooled = self._append("AveragePool", value, kernel_shape=[2, 2], strides=[2, 2])
        lost = side // 2 - (
            (side - 3) // 2 + 1
        )  # the pooling keeps an edge row that the convolution drops
        if lost:
            changed = self._padded(changed, [0, 0, 0, 0, 0, 0, lost, lost])
        _height, _width, channels, more_channels = self._weights[f"{name}/conv1/conv/filters"].shape
        if more_channels > channels:
            pooled = self._padded(pooled, [0, 0, 0, 0, 0, more_channels - channels, 0, 0])
        return self._append("Relu", self._append("Add", changed, pooled)), side // 2

    def _convolve(self, value: str, name: str, stride: int = 1) -> str:
        """A convolution with the scale and shift that follow it folded in."""
        kernel = self._weights[f"{name}/conv/filters"].transpose(3, 2, 0, 1)
        scale = self._weights[f"{name}/scale/weights"]
        bias = self._weights[f"{name}/conv/bias"] * scale + self._weights[f"{name}/scale/biases"]
        return self._append(
            "Conv",
            value,
            self._constant(f"{name}/kernel", kernel * scale[:, None, None, None]),
            self._constant(f"{name}/bias", bias),
            kernel_shape=list(kernel.shape[2:]),
            strides=[stride, stride],
            auto_pad="VALID" if stride > 1 else "SAME_UPPER",
        )

    def _padded(self, value: str, amounts: list[int]) -> str:
        """Pad with zeros; `amounts` are those before each axis, then those after each axis."""
        name = f"zeros{len(self._nodes)}"
        return self._append("Pad", value, self._constant(name, np.array(amounts, np.int64)))

    def _constant(self, name: str, array: Array) -> str:
        self._initializers[name] = numpy_helper.from_array(np.array(array, order="C"), name)
        return name

    def _append(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        output = name or f"value{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output


def _tensor(name: str, shape: list[int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
