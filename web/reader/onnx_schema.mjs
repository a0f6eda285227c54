/**
 * The messages of `onnx.proto` (ONNX 1.23) that a model can contain: number, name and type of each
 * field. `*` marks a list, `*p` a packed list; fields with the same word in brackets exclude each
 * other. An `enum` has the values from 0 to the number behind it.
 */
const TEXT = {
  ModelProto: `1 ir_version int64, 2 producer_name string, 3 producer_version string, 4 domain string,
    5 model_version int64, 6 doc_string string, 7 graph GraphProto, 8 opset_import OperatorSetIdProto*,
    14 metadata_props StringStringEntryProto*, 20 training_info TrainingInfoProto*,
    25 functions FunctionProto*, 26 configuration DeviceConfigurationProto*`,
  OperatorSetIdProto: "1 domain string, 2 version int64",
  GraphProto: `1 node NodeProto*, 2 name string, 5 initializer TensorProto*, 10 doc_string string,
    11 input ValueInfoProto*, 12 output ValueInfoProto*, 13 value_info ValueInfoProto*,
    14 quantization_annotation TensorAnnotation*, 15 sparse_initializer SparseTensorProto*,
    16 metadata_props StringStringEntryProto*`,
  StringStringEntryProto: "1 key string, 2 value string",
  TrainingInfoProto: `1 initialization GraphProto, 2 algorithm GraphProto,
    3 initialization_binding StringStringEntryProto*, 4 update_binding StringStringEntryProto*`,
  FunctionProto: `1 name string, 4 input string*, 5 output string*, 6 attribute string*, 7 node NodeProto*,
    8 doc_string string, 9 opset_import OperatorSetIdProto*, 10 domain string,
    11 attribute_proto AttributeProto*, 12 value_info ValueInfoProto*, 13 overload string,
    14 metadata_props StringStringEntryProto*`,
  DeviceConfigurationProto: "1 name string, 2 num_devices int32, 3 device string*",
  NodeProto: `1 input string*, 2 output string*, 3 name string, 4 op_type string, 5 attribute AttributeProto*,
    6 doc_string string, 7 domain string, 8 overload string, 9 metadata_props StringStringEntryProto*,
    10 device_configurations NodeDeviceConfigurationProto*`,
  NodeDeviceConfigurationProto:
    "1 configuration_id string, 2 sharding_spec ShardingSpecProto*, 3 pipeline_stage int32",
  ShardingSpecProto: `1 tensor_name string, 2 device int64*, 3 index_to_device_group_map IntIntListEntryProto*,
    4 sharded_dim ShardedDimProto*`,
  IntIntListEntryProto: "1 key int64, 2 value int64*",
  ShardedDimProto: "1 axis int64, 2 simple_sharding SimpleShardedDimProto*",
  SimpleShardedDimProto: "1 dim_value int64 (dim), 2 dim_param string (dim), 3 num_shards int64",
  TensorProto: `1 dims int64*, 2 data_type int32, 3 segment Segment, 4 float_data float*p, 5 int32_data int32*p,
    6 string_data bytes*, 7 int64_data int64*p, 8 name string, 9 raw_data bytes, 10 double_data double*p,
    11 uint64_data uint64*p, 12 doc_string string, 13 external_data StringStringEntryProto*,
    14 data_location enum1, 16 metadata_props StringStringEntryProto*`,
  Segment: "1 begin int64, 2 end int64",
  SparseTensorProto: "1 values TensorProto, 2 indices TensorProto, 3 dims int64*",
  TensorAnnotation: "1 tensor_name string, 2 quant_parameter_tensor_names StringStringEntryProto*",
  ValueInfoProto:
    "1 name string, 2 type TypeProto, 3 doc_string string, 4 metadata_props StringStringEntryProto*",
  AttributeProto: `1 name string, 2 f float, 3 i int64, 4 s bytes, 5 t TensorProto, 6 g GraphProto,
    7 floats float*, 8 ints int64*, 9 strings bytes*, 10 tensors TensorProto*, 11 graphs GraphProto*,
    13 doc_string string, 14 tp TypeProto, 15 type_protos TypeProto*, 20 type enum14,
    21 ref_attr_name string, 22 sparse_tensor SparseTensorProto, 23 sparse_tensors SparseTensorProto*`,
  TypeProto: `1 tensor_type Tensor (kind), 4 sequence_type Sequence (kind), 5 map_type Map (kind),
    6 denotation string, 7 opaque_type Opaque (kind), 8 sparse_tensor_type Tensor (kind),
    9 optional_type Sequence (kind)`,
  Tensor: "1 elem_type int32, 2 shape TensorShapeProto",
  Sequence: "1 elem_type TypeProto",
  Map: "1 key_type int32, 2 value_type TypeProto",
  Opaque: "1 domain string, 2 name string",
  TensorShapeProto: "1 dim Dimension*",
  Dimension: "1 dim_value int64 (dim), 2 dim_param string (dim), 3 denotation string",
};

function fieldOf(text) {
  const [, number, name, kind, list, group] = text
    .trim()
    .match(/^(\d+) (\w+) (\w+)(\*p?)?(?: \((\w+)\))?$/);
  return { number: Number(number), name, kind, isList: list !== undefined, isPacked: list === "*p", group };
}

/** By the name of a message, its fields in the order of their numbers. */
export const SCHEMA = Object.fromEntries(
  Object.entries(TEXT).map(([message, text]) => [message, text.split(",").map(fieldOf)]),
);
