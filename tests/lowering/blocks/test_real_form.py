"""The real form of a complex matrix multiplies real and imaginary parts as the matrix would."""

import numpy as np
import pytest

from hybridx.lowering.blocks.real_form import real_columns, real_form, real_form_places, real_matrix

RNG = np.random.default_rng(11)


def draw(*shape):
    return RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)


def parts(vector):
    return np.concatenate([vector.real, vector.imag])


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (4, 2), (2, 8)])
def test_it_acts_on_both_parts(shape):
    M, x = draw(*shape), draw(shape[1])
    np.testing.assert_allclose(real_matrix(M) @ parts(x), parts(M @ x), atol=1e-14)


def test_products_of_real_forms_are_real_forms_of_products():
    M, N = draw(4, 4), draw(4, 4)
    np.testing.assert_allclose(real_matrix(M) @ real_matrix(N), real_matrix(M @ N), atol=1e-14)


def test_several_matrices_have_one_form_each():
    many = draw(3, 5, 2, 4)
    form = real_form(many)
    assert form.shape == (3, 5, 2, 2, 2, 4)
    np.testing.assert_array_equal(form[1, 4].reshape(4, 8), real_matrix(many[1, 4]))


def test_a_real_row_times_columns_is_its_product():
    M, x = draw(3, 4), RNG.standard_normal(3)
    np.testing.assert_allclose(x @ real_columns(M), parts(x @ M), atol=1e-14)


@pytest.mark.parametrize("size", [1, 2, 4])
def test_places_take_entries_from_a_list(size):
    M = draw(size, size)
    places, signs = real_form_places(size)
    taken = parts(M.reshape(-1))[places] * signs
    np.testing.assert_array_equal(taken, real_matrix(M))
