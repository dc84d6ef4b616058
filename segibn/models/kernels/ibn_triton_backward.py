"""The kernels of the backward pass of instance and instance-batch normalisation on CUDA, in Triton.

See ``ibn_triton``, which has those of the forward pass.
"""

import triton
import triton.language as tl


@triton.jit
def sums_kernel(
    grad,
    x,
    mean,
    inverse,
    weight_sums,
    bias_sums,
    channels,
    pixels,
    image_stride,
    channel_stride,
    pixel_stride,
    part,
    ACC: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BLOCK_P: tl.constexpr,
):
    """Sums of ``grad * x_hat`` and of ``grad`` over one part of the pixels."""
    c = tl.program_id(0) * BLOCK_C + tl.arange(0, BLOCK_C)
    start = tl.program_id(1) * part
    stop = tl.minimum(start + part, pixels)
    image = tl.program_id(2)
    is_channel = c < channels
    rows = image.to(tl.int64) * image_stride + c[:, None] * channel_stride
    shift = tl.load(mean + image * channels + c, mask=is_channel, other=0.0)
    scale = tl.load(inverse + image * channels + c, mask=is_channel, other=0.0)
    weight_sum = tl.zeros([BLOCK_C, BLOCK_P], ACC)
    bias_sum = tl.zeros([BLOCK_C, BLOCK_P], ACC)
    for begin in range(start, stop, BLOCK_P):
        p = begin + tl.arange(0, BLOCK_P)
        inside = is_channel[:, None] & (p < pixels)[None, :]
        offset = rows + p[None, :] * pixel_stride
        upstream = tl.load(grad + offset, mask=inside, other=0.0).to(ACC)
        value = tl.load(x + offset, mask=inside, other=0.0).to(ACC)
        weight_sum += upstream * (value - shift[:, None])
        bias_sum += upstream
    place = (tl.program_id(1) * tl.num_programs(2) + image) * channels + c
    tl.store(weight_sums + place, tl.sum(weight_sum, 1) * scale, mask=is_channel)
    tl.store(bias_sums + place, tl.sum(bias_sum, 1), mask=is_channel)


@triton.jit
def finish_sums_kernel(
    weight_sums,
    bias_sums,
    over_weight,
    over_bias,
    instance_weight_grad,
    instance_bias_grad,
    batch_weight_grad,
    batch_bias_grad,
    channels,
    instance_first,
    batch_first,
    num_batch,
    images,
    parts,
    pixels,
    TRAINING: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_S: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """Join the parts; gradients of weights and biases; means over what shares its statistics."""
    c = tl.program_id(0) * BLOCK_C + tl.arange(0, BLOCK_C)
    n, s = tl.arange(0, BLOCK_N), tl.arange(0, BLOCK_S)
    is_channel = c < channels
    is_batch = (c >= batch_first) & (c < batch_first + num_batch)
    is_instance = is_channel & (is_batch == 0)
    offset = (s[None, :, None] * images + n[:, None, None]) * channels + c[None, None, :]
    inside = (s < parts)[None, :, None] & (n < images)[:, None, None] & is_channel[None, None, :]
    weight_sum = tl.sum(tl.load(weight_sums + offset, mask=inside, other=0.0), 1)
    bias_sum = tl.sum(tl.load(bias_sums + offset, mask=inside, other=0.0), 1)
    weight_total, bias_total = tl.sum(weight_sum, 0), tl.sum(bias_sum, 0)
    weight_mean, bias_mean = weight_sum / pixels, bias_sum / pixels
    if TRAINING:
        shared_weight, shared_bias = weight_total / pixels / images, bias_total / pixels / images
    else:
        shared_weight, shared_bias = weight_total * 0, bias_total * 0
    weight_mean = tl.where(is_batch[None, :], shared_weight[None, :], weight_mean)
    bias_mean = tl.where(is_batch[None, :], shared_bias[None, :], bias_mean)
    stored = (n < images)[:, None] & is_channel[None, :]
    place = n[:, None] * channels + c[None, :]
    tl.store(over_weight + place, weight_mean, mask=stored)
    tl.store(over_bias + place, bias_mean, mask=stored)
    i, b = c - instance_first, c - batch_first
    tl.store(instance_weight_grad + i, weight_total, mask=is_instance)
    tl.store(instance_bias_grad + i, bias_total, mask=is_instance)
    tl.store(batch_weight_grad + b, weight_total, mask=is_batch)
    tl.store(batch_bias_grad + b, bias_total, mask=is_batch)


@triton.jit
def input_gradient_kernel(
    grad,
    x,
    out,
    mean,
    inverse,
    weight,
    over_weight,
    over_bias,
    channels,
    pixels,
    image_stride,
    channel_stride,
    pixel_stride,
    ACC: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BLOCK_P: tl.constexpr,
):
    """One tile of ``weight * inverse * (grad - over_bias - x_hat * over_weight)``."""
    c = tl.program_id(0) * BLOCK_C + tl.arange(0, BLOCK_C)
    p = tl.program_id(1) * BLOCK_P + tl.arange(0, BLOCK_P)
    image = tl.program_id(2)
    is_channel = c < channels
    inside = is_channel[:, None] & (p < pixels)[None, :]
    offset = c[:, None] * channel_stride + p[None, :] * pixel_stride
    offset = image.to(tl.int64) * image_stride + offset
    place = image * channels + c
    shift = tl.load(mean + place, mask=is_channel, other=0.0)
    scale = tl.load(inverse + place, mask=is_channel, other=0.0)
    slope = tl.load(over_weight + place, mask=is_channel, other=0.0) * scale
    less = tl.load(over_bias + place, mask=is_channel, other=0.0)
    scale *= tl.load(weight + c, mask=is_channel, other=0.0).to(ACC)
    upstream = tl.load(grad + offset, mask=inside, other=0.0).to(ACC)
    value = tl.load(x + offset, mask=inside, other=0.0).to(ACC) - shift[:, None]
    result = (upstream - less[:, None] - value * slope[:, None]) * scale[:, None]
    tl.store(out + offset, result.to(out.dtype.element_ty), mask=inside)
