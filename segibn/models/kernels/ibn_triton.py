"""The kernels of the forward pass of instance and instance-batch normalisation on CUDA, in Triton.

Two kernels go over the activations in each direction: one takes moments (or sums), one applies the
affine map; those of the way back are in ``ibn_triton_backward``. A small one between them does all
the arithmetic on (N, C) numbers, which in eager mode would be twenty launches. NCHW and
channels-last differ in nothing but strides and shapes of tiles. ``ibn_launch`` launches them. N
images, C channels, P pixels; a part is a range of pixels, and holds whole tiles, so that one
comparison with P masks what is not there and loads stay wide.
"""

import triton
import triton.language as tl


@triton.jit
def moments_kernel(
    x,
    mean_out,
    square_out,
    first,
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
    """Mean and sum of squared deviations of one part of the pixels.

    Every lane keeps its own running mean (Welford), so that nothing is lost to a large mean; the
    lanes are joined at the end.
    """
    c = tl.program_id(0) * BLOCK_C + tl.arange(0, BLOCK_C)
    start = tl.program_id(1) * part
    stop = tl.minimum(start + part, pixels)
    image = tl.program_id(2)
    is_channel = c < channels
    base = x + image.to(tl.int64) * image_stride + (first + c)[:, None] * channel_stride
    mean = tl.zeros([BLOCK_C, BLOCK_P], ACC)
    square = tl.zeros([BLOCK_C, BLOCK_P], ACC)
    count = tl.zeros([BLOCK_P], ACC)
    for begin in range(start, stop, BLOCK_P):
        p = begin + tl.arange(0, BLOCK_P)
        inside = is_channel[:, None] & (p < pixels)[None, :]
        value = tl.load(base + p[None, :] * pixel_stride, mask=inside, other=0.0).to(ACC)
        count += tl.where(p < pixels, 1.0, 0.0)
        delta = tl.where(inside, value - mean, 0.0)
        mean += delta * (1.0 / tl.maximum(count, 1.0))[None, :]
        square += delta * tl.where(inside, value - mean, 0.0)
    total = tl.sum(count, 0)
    joined = tl.sum(mean * count[None, :], 1) / total
    between = mean - joined[:, None]
    squares = tl.sum(square + between * between * count[None, :], 1)
    place = (tl.program_id(1) * tl.num_programs(2) + image) * channels + c
    tl.store(mean_out + place, joined, mask=is_channel)
    tl.store(square_out + place, squares, mask=is_channel)


@triton.jit
def finish_moments_kernel(
    part_mean,
    part_square,
    mean_out,
    inverse_out,
    weight_out,
    bias_out,
    instance_weight,
    instance_bias,
    batch_weight,
    batch_bias,
    running_mean,
    running_variance,
    batches_tracked,
    channels,
    first,
    measured,
    instance_first,
    batch_first,
    num_batch,
    images,
    parts,
    pixels,
    part,
    momentum,
    eps,
    ACC: tl.constexpr,
    TRAINING: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_S: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """Join the parts, take the batch half over the images, update running statistics."""
    c = tl.program_id(0) * BLOCK_C + tl.arange(0, BLOCK_C)
    n, s = tl.arange(0, BLOCK_N), tl.arange(0, BLOCK_S)
    is_channel = c < channels
    is_batch = (c >= batch_first) & (c < batch_first + num_batch)
    is_measured = (c >= first) & (c < first + measured)
    size = tl.minimum(pixels - s * part, part)
    size = tl.where(s < parts, size, 0).to(ACC)[None, :, None]
    row = s[None, :, None] * images + n[:, None, None]
    inside = (s < parts)[None, :, None] & (n < images)[:, None, None] & is_measured[None, None, :]
    offset = row * measured + (c - first)[None, None, :]
    means = tl.load(part_mean + offset, mask=inside, other=0.0)
    squares = tl.load(part_square + offset, mask=inside, other=0.0)
    mean = tl.sum(means * size, 1) / pixels
    deviation = means - mean[:, None, :]
    variance = tl.sum(squares + deviation * deviation * size, 1) / pixels
    b = c - batch_first
    if TRAINING:
        real = (n < images)[:, None]
        batch_mean = tl.sum(mean, 0) / images
        between = tl.where(real, mean - batch_mean[None, :], 0.0)
        batch_variance = tl.sum(tl.where(real, variance, 0.0) + between * between, 0) / images
        old_mean = tl.load(running_mean + b, mask=is_batch, other=0.0).to(ACC)
        old_variance = tl.load(running_variance + b, mask=is_batch, other=0.0).to(ACC)
        values = tl.full([BLOCK_C], 1.0, ACC) * images * pixels
        unbiased = batch_variance * (values / (values - 1))
        tl.store(running_mean + b, old_mean + momentum * (batch_mean - old_mean), mask=is_batch)
        tl.store(
            running_variance + b,
            old_variance + momentum * (unbiased - old_variance),
            mask=is_batch,
        )
        if tl.program_id(0) == 0:
            tl.store(batches_tracked, tl.load(batches_tracked) + 1)
    else:
        batch_mean = tl.load(running_mean + b, mask=is_batch, other=0.0).to(ACC)
        batch_variance = tl.load(running_variance + b, mask=is_batch, other=1.0).to(ACC)
    mean = tl.where(is_batch[None, :], batch_mean[None, :], mean)
    variance = tl.where(is_batch[None, :], batch_variance[None, :], variance)
    stored = (n < images)[:, None] & is_channel[None, :]
    place = n[:, None] * channels + c[None, :]
    tl.store(mean_out + place, mean, mask=stored)
    tl.store(inverse_out + place, 1 / tl.sqrt(variance + eps), mask=stored)
    is_instance = is_channel & (is_batch == 0)
    i = c - instance_first
    weight = tl.load(batch_weight + b, mask=is_batch, other=0.0).to(ACC)
    weight += tl.load(instance_weight + i, mask=is_instance, other=0.0).to(ACC)
    bias = tl.load(batch_bias + b, mask=is_batch, other=0.0).to(ACC)
    bias += tl.load(instance_bias + i, mask=is_instance, other=0.0).to(ACC)
    tl.store(weight_out + c, weight, mask=is_channel)
    tl.store(bias_out + c, bias, mask=is_channel)


@triton.jit
def normalize_kernel(
    x,
    out,
    mean,
    inverse,
    weight,
    bias,
    channels,
    pixels,
    image_stride,
    channel_stride,
    pixel_stride,
    ACC: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BLOCK_P: tl.constexpr,
):
    """One tile of ``(x - mean) * inverse * weight + bias``."""
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
    scale *= tl.load(weight + c, mask=is_channel, other=0.0)
    add = tl.load(bias + c, mask=is_channel, other=0.0)
    value = tl.load(x + offset, mask=inside, other=0.0).to(ACC)
    value = (value - shift[:, None]) * scale[:, None] + add[:, None]
    tl.store(out + offset, value.to(out.dtype.element_ty), mask=inside)
