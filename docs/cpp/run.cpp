// Runs a TorchScript file of hybridx on rows of numbers: run MODEL COLUMNS x00 x01 ... x10 x11 ...
// It needs only libtorch, because the circuits in the file are ordinary torch operators.

#include <torch/script.h>

#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <vector>

namespace {

void write(const torch::Tensor& output) {
  const torch::Tensor rows = output.reshape({output.size(0), -1}).to(torch::kDouble).contiguous();
  for (int64_t row = 0; row < rows.size(0); ++row) {
    for (int64_t column = 0; column < rows.size(1); ++column) {
      std::cout << (column ? " " : "") << rows[row][column].item<double>();
    }
    std::cout << "\n";
  }
}

// Writes the tensors of what a model returns: one, or several in tuples, lists and dicts.
void write_all(const torch::IValue& value) {
  if (value.isTensor()) {
    write(value.toTensor());
  } else if (value.isTuple()) {
    for (const torch::IValue& part : value.toTupleRef().elements()) {
      write_all(part);
    }
  } else if (value.isList()) {
    for (const torch::IValue& part : value.toListRef()) {
      write_all(part);
    }
  } else {
    for (const auto& entry : value.toGenericDict()) {
      write_all(entry.value());
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: " << argv[0] << " MODEL COLUMNS [NUMBER...]\n";
    return 2;
  }
  const int64_t columns = std::atoll(argv[2]);
  std::vector<float> numbers;
  for (int index = 3; index < argc; ++index) {
    numbers.push_back(std::strtof(argv[index], nullptr));
  }
  if (columns < 1 || numbers.size() % static_cast<size_t>(columns) != 0) {
    std::cerr << "the numbers do not fill rows of " << columns << "\n";
    return 2;
  }
  try {
    const torch::InferenceMode guard;
    torch::jit::Module model = torch::jit::load(argv[1]);
    const torch::Tensor rows = torch::tensor(numbers).reshape({-1, columns});
    const torch::IValue result = model.forward({rows});
    std::cout << std::setprecision(9);
    write_all(result);
  } catch (const c10::Error& error) {
    std::cerr << error.what_without_backtrace() << "\n";
    return 1;
  }
  return 0;
}
