"""Converts the SSDLite MobileNetV2 detector to ONNX, from its TensorFlow.js graph model.

TensorFlow.js stores tensors as NHWC; ONNX's convolutions require NCHW. The feature extractor is
converted to NCHW throughout. The two outputs of each box predictor are transposed back to NHWC
before they are flattened, because the order of the anchors depends on it.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

INPUT_SIDE = 300
_INPUT = "Preprocessor/sub"  # pixels scaled to -1..1; the nodes before it resize dynamically
_BOX_ENCODINGS = "Squeeze"
_SCORES = "Postprocessor/convert_scores"
_ANCHOR_COUNT = 1917
_CLASS_COUNT = 91  # COCO's class ids, which have gaps; 0 is the background
_ANCHORS = "Postprocessor/ExpandDims"  # a constant, [1, 1917, 4]
_OPSET = 17
_IR_VERSION = 8

Array = NDArray[Any]
Node = dict[str, Any]


def convert(model_json: Path, output: Path) -> None:
    """Write the ONNX model: input `image` [1, 3, 300, 300].

    Outputs: `box_encodings` [1, 1917, 4], `scores` [1, 1917, 91] (sigmoids, class 0 is the
    background), `anchors` [1917, 4] (top, left, bottom, right as ratios). Raises ValueError for an
    operator that the conversion does not support.
    """
    topology = json.loads(model_json.read_text())
    graph = _Graph(topology, read_weights(topology, model_json.parent))
    model = helper.make_model(
        graph.build(), opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION
    )
    onnx.checker.check_model(model)
    onnx.save(model, str(output))


def read_weights(topology: Node, folder: Path) -> dict[str, Array]:
    """The constants by name, dequantized where they are stored as 16-bit floats or 8-bit steps."""
    weights: dict[str, Array] = {}
    for group in topology["weightsManifest"]:
        content = b"".join((folder / path).read_bytes() for path in group["paths"])
        offset = 0
        for entry in group["weights"]:
            quantization = entry.get("quantization", {"dtype": entry["dtype"]})
            element_type = np.dtype(quantization["dtype"])
            count = int(np.prod(entry["shape"], dtype=int))
            array = np.frombuffer(content, element_type, count, offset).astype(entry["dtype"])
            if "scale" in quantization:
                array = array * quantization["scale"] + quantization["min"]
            weights[entry["name"]] = array.astype(entry["dtype"]).reshape(entry["shape"])
            offset += count * element_type.itemsize
    return weights


class _Graph:
    """Converts the graph recursively, each node after its inputs."""

    def __init__(self, topology: Node, weights: dict[str, Array]) -> None:
        self._sources = {node["name"]: node for node in topology["modelTopology"]["node"]}
        self._weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, onnx.TensorProto] = {}
        self._values = {_INPUT: "image"}

    def build(self) -> onnx.GraphProto:
        """The part of the graph between the scaled pixels and the raw boxes and scores."""
        self._append("Identity", self._value(_BOX_ENCODINGS), output="box_encodings")
        self._append("Identity", self._value(_SCORES), output="scores")
        anchors = self._constant("anchor_values", self._weights[_ANCHORS][0])
        self._append("Identity", anchors, output="anchors")
        inputs = {"image": [1, 3, INPUT_SIDE, INPUT_SIDE]}
        outputs = {
            "box_encodings": [1, _ANCHOR_COUNT, 4],
            "scores": [1, _ANCHOR_COUNT, _CLASS_COUNT],
            "anchors": [_ANCHOR_COUNT, 4],
        }
        return helper.make_graph(
            self._nodes,
            "ssdlite-mobilenet-v2-coco",
            _tensors(inputs),
            _tensors(outputs),
            list(self._initializers.values()),
        )

    def _value(self, name: str) -> str:
        """The name of a TensorFlow node's ONNX value; converts the node at the first call."""
        if name not in self._values:
            self._values[name] = self._convert(self._sources[name])
        return self._values[name]

    def _convert(self, node: Node) -> str:  # noqa: C901 - one flat case per operator
        name, inputs = node["name"], node.get("input", [])
        match node["op"]:
            case "Conv2D":
                return self._convolve(
                    node, self._weights[inputs[1]].transpose(3, 2, 0, 1), groups=1
                )
            case "DepthwiseConv2dNative":
                return self._convolve_depthwise(node)
            case "FusedBatchNorm":
                return self._normalize(node)
            case "Const":  # a bias, scale or shift: one value per channel
                return self._constant(name, _channels_first(self._weights[name]))
            case "Mul":
                return self._append("Mul", *map(self._value, inputs))
            case "Add" | "AddN" | "BiasAdd":
                return self._append("Add", *map(self._value, inputs))
            case "Relu6":
                zero = self._constant("zero", np.float32(0))
                six = self._constant("six", np.float32(6))
                return self._append("Clip", self._value(inputs[0]), zero, six)
            case "Sigmoid":
                return self._append("Sigmoid", self._value(inputs[0]))
            case "Reshape":
                return self._flatten_predictions(node)
            case "ConcatV2":
                *parts, _axis = inputs
                return self._append("Concat", *map(self._value, parts), axis=1)
            case "Squeeze":
                (axis,) = node["attr"]["squeeze_dims"]["list"]["i"]
                axes = self._constant(f"{name}/axes", np.array([int(axis)], np.int64))
                return self._append("Squeeze", self._value(inputs[0]), axes)
            case operator:
                raise ValueError(f"The detector: unsupported operator {operator} at {name}")

    def _convolve(self, node: Node, kernel: Array, groups: int) -> str:
        return self._append(
            "Conv",
            self._value(node["input"][0]),
            self._constant(f"{node['name']}/kernel", kernel),
            strides=_height_and_width(node, "strides"),
            dilations=_height_and_width(node, "dilations"),
            group=groups,
            kernel_shape=list(kernel.shape[2:]),
            auto_pad="SAME_UPPER",  # every convolution of this graph uses TensorFlow's SAME
        )

    def _convolve_depthwise(self, node: Node) -> str:
        kernel = self._weights[node["input"][1]]
        height, width, channels, multiplier = kernel.shape
        kernel = kernel.transpose(2, 3, 0, 1).reshape(channels * multiplier, 1, height, width)
        return self._convolve(node, kernel, groups=channels)

    def _normalize(self, node: Node) -> str:
        value, *parameters = node["input"]
        gamma, beta, mean, variance = (self._weights[name].astype(float) for name in parameters)
        scale = gamma / np.sqrt(variance + node["attr"]["epsilon"]["f"])
        scale_value = self._constant(f"{node['name']}/scale", _channels_first(scale))
        shift_value = self._constant(f"{node['name']}/shift", _channels_first(beta - mean * scale))
        return self._append(
            "Add", self._append("Mul", self._value(value), scale_value), shift_value
        )

    def _flatten_predictions(self, node: Node) -> str:
        """Reshape [1, anchors x code, H, W] to [1, all anchors, ..., code], in NHWC order."""
        value, shape_name = node["input"]
        batch, *rest = self._sources[shape_name]["input"]  # a Pack whose first member is the batch
        del batch
        shape = np.array([1, *(int(self._weights[name]) for name in rest)], np.int64)
        channels_last = self._append("Transpose", self._value(value), perm=[0, 2, 3, 1])
        return self._append("Reshape", channels_last, self._constant(shape_name, shape))

    def _constant(self, name: str, array: Array | np.float32) -> str:
        self._initializers[name] = numpy_helper.from_array(np.array(array, order="C"), name)
        return name

    def _append(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        output = output or f"value{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output


def _tensors(shapes: dict[str, list[int]]) -> list[onnx.ValueInfoProto]:
    return [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    ]


def _height_and_width(node: Node, attribute: str) -> list[int]:
    _batch, height, width, _channels = node["attr"][attribute]["list"]["i"]
    return [int(height), int(width)]


def _channels_first(values: Array) -> Array:
    return values.astype(np.float32).reshape(1, -1, 1, 1)
