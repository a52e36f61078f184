"""Converts the face networks to ONNX, from their TensorFlow.js graph models.

The graphs keep TensorFlow's NHWC layout: each convolution and pooling is wrapped in two transposes,
which onnxruntime eliminates where they are adjacent.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from localcloud.rekognition.conversion.tensorflow_js import Array, Node, read_weights

_OPSET = 17
_IR_VERSION = 8


@dataclass(frozen=True)
class FaceNetwork:
    """A network's input, one image [1, side, side, channels], and its outputs.

    `input` is the TensorFlow node of the input; `outputs` maps the name of each ONNX output to its
    TensorFlow node.
    """

    name: str
    input: str
    side: int
    channels: int
    outputs: Mapping[str, str]


FACE_NETWORKS = (
    FaceNetwork(  # BlazeFace: scores are logits, boxes have 6 key points
        name="face-detector",
        input="input",
        side=256,
        channels=3,
        outputs={
            "scores_of_fine_anchors": "Identity",  # [1, 512, 1]
            "scores_of_coarse_anchors": "Identity_1",  # [1, 384, 1]
            "boxes_of_fine_anchors": "Identity_2",  # [1, 512, 16]
            "boxes_of_coarse_anchors": "Identity_3",  # [1, 384, 16]
        },
    ),
    FaceNetwork(  # FaceMesh: 468 points (x, y, z in input pixels), and the presence of a face
        name="face-mesh",
        input="input_1",
        side=192,
        channels=3,
        outputs={"presence": "Identity_1", "points": "Identity_2"},
    ),
    FaceNetwork(  # the eye's outline and, from the 72nd point on, the iris's center and edge
        name="face-iris",
        input="input_1",
        side=64,
        channels=3,
        outputs={"points": "Identity"},  # 76 points: x, y, z in input pixels
    ),
    FaceNetwork(  # HSE-FaceRes: 100 ages, and male or female
        name="face-age-and-gender",
        input="input_1",
        side=224,
        channels=3,
        outputs={"ages": "age_pred/Softmax", "male": "gender_pred/Sigmoid"},
    ),
    FaceNetwork(
        name="face-emotions",
        input="input_1",
        side=64,
        channels=1,
        outputs={"emotions": "Identity"},
    ),
)


def convert(network: FaceNetwork, model_json: Path, output: Path) -> None:
    """Write the ONNX model: input `image`, and the outputs named in `network.outputs`.

    Raises ValueError for an operator that the conversion does not support.
    """
    topology = json.loads(model_json.read_text())
    graph = _Graph(network, topology, read_weights(topology, model_json.parent)).build()
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION
    )
    model = onnx.shape_inference.infer_shapes(model)  # adds the shapes of the outputs
    onnx.checker.check_model(model)
    onnx.save(model, str(output))


_SAME_OPERATOR = {
    "Add": "Add",
    "AddV2": "Add",
    "Maximum": "Max",
    "Minimum": "Min",
    "Mul": "Mul",
    "Prelu": "PRelu",
    "Relu": "Relu",
    "Sigmoid": "Sigmoid",
}


class _Graph:
    """Converts the graph recursively, each node after its inputs."""

    def __init__(self, network: FaceNetwork, topology: Node, weights: dict[str, Array]) -> None:
        self._network = network
        self._sources = {node["name"]: node for node in topology["modelTopology"]["node"]}
        self._weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: dict[str, onnx.TensorProto] = {}
        self._values = {network.input: "image"}

    def build(self) -> onnx.GraphProto:
        """The whole graph."""
        for name, source in self._network.outputs.items():
            self._nodes.append(helper.make_node("Identity", [self._value(source)], [name]))
        side, channels = self._network.side, self._network.channels
        tensor = partial(helper.make_tensor_value_info, elem_type=TensorProto.FLOAT)
        return helper.make_graph(
            self._nodes,
            self._network.name,
            [tensor("image", shape=[1, side, side, channels])],
            [tensor(name, shape=None) for name in self._network.outputs],
            list(self._initializers.values()),
        )

    def _value(self, name: str) -> str:
        """The name of a TensorFlow node's ONNX value; converts the node at the first call."""
        if name not in self._values:
            self._values[name] = self._convert(self._sources[name])
        return self._values[name]

    def _convert(self, node: Node) -> str:
        name, inputs = node["name"], node.get("input", [])
        match node["op"]:
            case "Const":
                return self._constant(name, self._weights[name])
            case "Identity":
                return self._value(inputs[0])
            case "Conv2D" | "_FusedConv2D":
                return self._convolve(node, self._weights[inputs[1]].transpose(3, 2, 0, 1))
            case "DepthwiseConv2dNative":
                kernel = self._weights[inputs[1]]
                height, width, channels, multiplier = kernel.shape
                kernel = kernel.transpose(2, 3, 0, 1)
                kernel = kernel.reshape(channels * multiplier, 1, height, width)
                return self._convolve(node, kernel, groups=channels)
            case "MaxPool":
                kernel_shape = _height_and_width(node, "ksize")
                return self._channels_first(node, "MaxPool", kernel_shape=kernel_shape)
            case "_FusedMatMul":
                value = self._append("MatMul", *map(self._value, inputs[:2]))
                return self._apply_fused(node, value, inputs[2:])
            case "Softmax":
                return self._append("Softmax", self._value(inputs[0]), axis=-1)
            case "ConcatV2":
                *parts, axis = inputs
                return self._append(
                    "Concat", *map(self._value, parts), axis=int(self._weights[axis])
                )
            case operator if operator in _SAME_OPERATOR:
                return self._append(_SAME_OPERATOR[operator], *map(self._value, inputs))
            case _:
                return self._reshape(node)

    def _reshape(self, node: Node) -> str:
        """Convert an operator whose second input is a constant: sizes, paddings or axes."""
        value, operand = self._value(node["input"][0]), self._weights[node["input"][1]]
        match node["op"]:
            case "Reshape":
                sizes = np.array([1, *operand.ravel()[1:]], np.int64)  # batch size 1
                return self._append("Reshape", value, self._constant(f"{node['name']}/to", sizes))
            case "Pad":
                paddings = operand.astype(np.int64).T.ravel()
                return self._append("Pad", value, self._constant(f"{node['name']}/by", paddings))
            case "Mean":
                axes = operand.ravel().tolist()
                return self._append("ReduceMean", value, axes=axes, keepdims=0)
            case operator:
                raise ValueError(f"{self._network.name}: unsupported operator {operator}")

    def _convolve(self, node: Node, kernel: Array, groups: int = 1) -> str:
        value = self._channels_first(
            node,
            "Conv",
            self._constant(f"{node['name']}/kernel", kernel),
            dilations=_height_and_width(node, "dilations"),
            group=groups,
            kernel_shape=list(kernel.shape[2:]),
        )
        return self._apply_fused(node, value, node["input"][2:])

    def _apply_fused(self, node: Node, value: str, operands: list[str]) -> str:
        """Convert the operators fused into a node: a bias, then an activation."""
        remaining = iter(operands)
        for encoded in node["attr"].get("fused_ops", {}).get("list", {}).get("s", []):
            match base64.b64decode(encoded).decode():
                case "BiasAdd":
                    value = self._append("Add", value, self._value(next(remaining)))
                case "Relu":
                    value = self._append("Relu", value)
                case "Prelu":
                    value = self._append("PRelu", value, self._value(next(remaining)))
                case operator:
                    raise ValueError(f"{self._network.name}: unsupported fused operator {operator}")
        return value

    def _channels_first(self, node: Node, operator: str, *constants: str, **attributes: Any) -> str:
        is_padded = base64.b64decode(node["attr"]["padding"]["s"]) == b"SAME"
        value = self._append("Transpose", self._value(node["input"][0]), perm=[0, 3, 1, 2])
        value = self._append(
            operator,
            value,
            *constants,
            strides=_height_and_width(node, "strides"),
            auto_pad="SAME_UPPER" if is_padded else "VALID",
            **attributes,
        )
        return self._append("Transpose", value, perm=[0, 2, 3, 1])

    def _constant(self, name: str, array: Array) -> str:
        self._initializers[name] = numpy_helper.from_array(np.array(array, order="C"), name)
        return name

    def _append(self, operator: str, *inputs: str, **attributes: Any) -> str:
        output = f"value{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output


def _height_and_width(node: Node, attribute: str) -> list[int]:
    _batch, height, width, _channels = node["attr"][attribute]["list"]["i"]
    return [int(height), int(width)]
