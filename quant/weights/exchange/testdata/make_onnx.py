# Writes onnx.onnx beside this file with the library of ONNX itself: a network that has a tensor of every kind of storage.
import os
import numpy as np
import onnx
from onnx import TensorProto as T, helper, numpy_helper

typed = [
    helper.make_tensor("float", T.FLOAT, [2, 2], [1, -2.5, 3, 0.25]),
    helper.make_tensor("int32", T.INT32, [2], [7, -8]),
    helper.make_tensor("int64", T.INT64, [2], [9, -10]),
    helper.make_tensor("uint8", T.UINT8, [2], [200, 1]),
    helper.make_tensor("int8", T.INT8, [2], [-128, 127]),
    helper.make_tensor("int16", T.INT16, [2], [-300, 300]),
    helper.make_tensor("bool", T.BOOL, [3], [1, 0, 1]),
    helper.make_tensor("half", T.FLOAT16, [2], [1.5, -2]),
    helper.make_tensor("double", T.DOUBLE, [1], [0.125]),
    helper.make_tensor("word", T.STRING, [1], [b"word"]),
]
raw = [numpy_helper.from_array(np.array([[[[1]], [[2]]]], np.float32), "kernel"), numpy_helper.from_array(np.array([5, -6], np.int64), "raw int64"),
       numpy_helper.from_array(np.array(0.5, np.float32), "scalar")]
nodes = [
    helper.make_node("Constant", [], ["bias"], value=numpy_helper.from_array(np.array([0.5], np.float32), "ignored")),
    helper.make_node("Conv", ["x", "kernel", "bias"], ["y"], name="conv", strides=[1, 2], auto_pad="SAME_UPPER", group=1),
    helper.make_node("LeakyRelu", ["y"], ["z"], alpha=0.25),
    helper.make_node("Mine", ["z", "", "float"], ["out"], domain="example.org", words=["a", "b"], rates=[0.5, 2.0],
                     table=numpy_helper.from_array(np.array([3], np.int8))),
]
graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", T.FLOAT, ["batch", 2, 4, 4]),
    helper.make_tensor_value_info("kernel", T.FLOAT, [1, 2, 1, 1])], [helper.make_tensor_value_info("out", T.FLOAT, None)], typed + raw,
    value_info=[helper.make_tensor_value_info("y", T.FLOAT, ["batch", 1, 4, 2])])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13), helper.make_opsetid("example.org", 1)], producer_name="engram")
onnx.save(model, os.path.join(os.path.dirname(__file__), "onnx.onnx"))
