"""The operators that a file for torch may hold, by name: those of `aten` that compute a tensor.

A name is here if torch's core operators have it, if torch's own decompositions lead from it to
them, or if `torch.export` keeps it whole, and if it computes a value of its arguments and nothing
else. `tests/artifact/test_operators.py` proves that of every name from torch's own tables, and that
every model of the corpus needs no other.

Left out, though torch would take them: what writes into its arguments or into files, draws random
numbers, computes gradients, makes sparse, quantized, nested or complex tensors, or takes indices
and addresses without a check (`_unsafe_index`, `segment_reduce`, `set`, `resize` and their like).
"""

from __future__ import annotations

from typing import Final


def words(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


# Of torch's core operators, or on one of the paths of its decompositions to them.
_CORE: Final = words(
    """
    _adaptive_avg_pool2d _adaptive_avg_pool3d _cdist_forward _log_softmax _native_batch_norm_legit
    _native_batch_norm_legit_no_training _pdist_forward _prelu_kernel _safe_softmax
    _scaled_dot_product_flash_attention_for_cpu _softmax _to_copy _unsafe_view
    _upsample_bilinear2d_aa _upsample_nearest_exact1d _upsample_nearest_exact2d
    _upsample_nearest_exact3d abs acos acosh adaptive_avg_pool1d adaptive_max_pool2d
    adaptive_max_pool3d add addcdiv addcmul addmm addmv addr alias alias_copy all amax amin aminmax
    any arange argmax argmin as_strided asin asinh atan atan2 atanh avg_pool1d avg_pool2d avg_pool3d
    baddbmm binary_cross_entropy binary_cross_entropy_with_logits bitwise_and bitwise_left_shift
    bitwise_not bitwise_or bitwise_right_shift bitwise_xor block_diag bmm bucketize cat ceil celu
    channel_shuffle clamp clamp_max clamp_min clone col2im constant_pad_nd convolution copy copysign
    cos cosh count_nonzero cumprod cumsum deg2rad detach diag diag_embed diagonal diagonal_copy
    diagonal_scatter digamma dist div dot elu embedding empty empty_like empty_strided eq erf erfc
    erfinv exp exp2 expand expand_copy expm1 eye fft_fftshift fft_ifftshift fill flip floor
    floor_divide fmax fmin fmod frac frexp full full_like gather gcd ge gelu glu grid_sampler_2d gru
    gt hann_window hardshrink hardsigmoid hardswish hardtanh heaviside hinge_embedding_loss
    huber_loss hypot i0 igamma igammac im2col index index_add index_copy index_fill index_put
    index_select isin isinf isnan isneginf isposinf lcm ldexp le leaky_relu lerp lgamma lift_fresh
    linalg_cross linalg_vector_norm linspace log log10 log1p log2 log_sigmoid_forward logaddexp
    logaddexp2 logical_and logical_not logical_or logical_xor logit logspace logsumexp lstm lt
    margin_ranking_loss masked_fill masked_scatter max max_pool2d_with_indices
    max_pool3d_with_indices maximum mean meshgrid min minimum mish mm mse_loss mul multi_margin_loss
    mv mvlgamma nan_to_num nansum narrow_copy native_batch_norm native_group_norm native_layer_norm
    ne neg new_empty new_empty_strided new_full new_ones new_zeros nextafter nll_loss
    nll_loss2d_forward nll_loss_forward nonzero norm ones ones_like pad_sequence pairwise_distance
    pdist permute permute_copy pixel_shuffle pixel_unshuffle pow prelu prod rad2deg reciprocal
    reflection_pad1d reflection_pad2d reflection_pad3d relu relu6 remainder renorm repeat
    replication_pad1d replication_pad2d replication_pad3d rnn_relu rnn_tanh roll rot90 round rsqrt
    rsub scalar_tensor scatter scatter_add scatter_reduce select select_scatter selu sgn sigmoid
    sign signbit silu sin sinc sinh slice slice_scatter smooth_l1_loss soft_margin_loss softplus
    softshrink sort special_bessel_j0 special_bessel_j1 special_entr special_erfcx special_i0e
    special_i1 special_i1e special_log_ndtr special_ndtr special_ndtri special_spherical_bessel_j0
    special_xlog1py special_zeta split split_with_sizes split_with_sizes_copy sqrt squeeze
    squeeze_copy stack std std_mean sub sum sym_numel sym_size sym_stride t t_copy take tan tanh
    threshold topk trace transpose transpose_copy tril tril_indices triu triu_indices trunc unbind
    unbind_copy unfold unfold_copy unsafe_split unsafe_split_with_sizes unsqueeze unsqueeze_copy
    upsample_bicubic2d upsample_bilinear2d upsample_linear1d upsample_nearest1d upsample_nearest2d
    upsample_nearest3d upsample_trilinear3d var var_mean vdot view view_copy where xlogy zero zeros
    zeros_like
    """
)
# Made of others by torch itself, before a device is asked.
_COMPOSITE: Final = words(
    """
    __and__ __or__ __xor__ _scaled_dot_product_attention_math _shape_as_tensor _weight_norm absolute
    adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adjoint arccos arccosh arcsin
    arcsinh arctan arctan2 arctanh argsort argwhere atleast_1d atleast_2d atleast_3d batch_norm
    bilinear broadcast_tensors broadcast_to cartesian_prod cdist chain_matmul chunk clip
    column_stack combinations concat concatenate contiguous conv1d conv2d conv3d conv_transpose1d
    conv_transpose2d conv_transpose3d corrcoef cosine_embedding_loss cosine_similarity cov cross
    cross_entropy_loss cumulative_trapezoid det diagflat diff divide dsplit dstack einsum
    embedding_bag expand_as fix flatten fliplr flipud float_power frobenius_norm ger gradient
    greater greater_equal grid_sampler group_norm gru_cell hsplit hstack inner instance_norm inverse
    isclose isfinite isreal kl_div kron l1_loss layer_norm less less_equal linalg_cholesky
    linalg_cond linalg_det linalg_diagonal linalg_eigh linalg_eigvalsh linalg_inv linalg_matmul
    linalg_matrix_norm linalg_matrix_power linalg_matrix_rank linalg_multi_dot linalg_norm
    linalg_pinv linalg_slogdet linalg_solve linalg_solve_ex linalg_svd linalg_svdvals
    linalg_tensorinv linalg_tensorsolve linalg_vander linalg_vecdot linear log_sigmoid log_softmax
    logdet lstm_cell mT matmul matrix_exp matrix_power max_pool1d max_pool2d max_pool3d moveaxis
    movedim msort multiply nanmean nanquantile narrow negative nll_loss2d nll_loss_nd not_equal
    nuclear_norm one_hot outer pad pinverse poisson_nll_loss positive quantile ravel
    repeat_interleave reshape reshape_as resolve_conj resolve_neg rms_norm rnn_relu_cell
    rnn_tanh_cell row_stack scaled_dot_product_attention size slogdet softmax special_digamma
    special_erf special_erfc special_erfinv special_exp2 special_expit special_expm1
    special_gammainc special_gammaincc special_gammaln special_i0 special_log1p special_log_softmax
    special_logit special_logsumexp special_multigammaln special_polygamma special_psi special_round
    special_sinc special_softmax special_xlogy square stride subtract sum_to_size svd swapaxes
    swapdims take_along_dim tensor_split tensordot tile to trapezoid trapz triplet_margin_loss
    true_divide type_as unflatten unsafe_chunk vander view_as vsplit vstack
    """
)
# Operators of their own that torch.export keeps.
_KEPT: Final = words(
    """
    __lshift__ __rshift__ _assert_scalar _linalg_det _linalg_eigh _linalg_slogdet _linalg_solve_ex
    _linalg_svd _local_scalar_dense _logcumsumexp _stack _trilinear _unique2 addbmm angle
    bartlett_window bincount blackman_window cholesky cholesky_inverse cholesky_solve cummax cummin
    detach_copy grid_sampler_3d hamming_window histc index_reduce item kaiser_window kthvalue
    lift_fresh_copy linalg_cholesky_ex linalg_householder_product linalg_inv_ex linalg_lu
    linalg_lu_factor_ex linalg_matrix_exp linalg_qr linalg_solve_triangular logcumsumexp
    masked_select median mode nanmedian polygamma searchsorted select_copy slice_copy
    special_airy_ai special_bessel_y0 special_bessel_y1 special_modified_bessel_i0
    special_modified_bessel_i1 special_modified_bessel_k0 special_modified_bessel_k1
    special_scaled_modified_bessel_k0 special_scaled_modified_bessel_k1 triangular_solve
    unique_consecutive unique_dim view_as_real
    """
)

OPERATORS: Final = _CORE | _COMPOSITE | _KEPT
"""The names of the operators of `aten` that a file may hold."""

NUMBERS: Final = words("Bool Float FloatImplicit Int IntImplicit __getitem__ floordiv numel len")
"""Names under which TorchScript also computes with lengths and other numbers."""

MAKERS: Final = words(
    "arange bartlett_window bincount blackman_window eye hamming_window hann_window histc "
    "kaiser_window linalg_vander linspace logspace one_hot repeat_interleave tril_indices "
    "triu_indices vander"
)
"""Operators that make a tensor of a length that is one of their arguments."""
