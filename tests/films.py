"""Films for tests."""

from fractions import Fraction

import numpy as np
from PIL import Image

BARS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (128, 128, 128), (255, 255, 255)]
BARS += [(40, 90, 200)]


def bars():
    """128 x 64: eight of them."""
    return np.tile(np.repeat(np.array(BARS, np.uint8), 16, 0), (64, 1, 1))


def moving(count, width=64, height=48, step=2):
    """A soft pattern that goes to the left, so many px a frame."""
    y, x = np.mgrid[0:height, 0 : width + step * count]
    waves = np.stack([np.sin(0.2 * x + 0.1 * y), np.cos(0.15 * y - 0.3 * x), np.sin(0.1 * x) * np.cos(0.2 * y)], -1)
    scene = (127.5 * (waves + 1)).astype(np.uint8)
    return [np.ascontiguousarray(scene[:, step * n : step * n + width]) for n in range(count)]


def video(path, frames, times, colours=(1, 1), told=True, aspect=None, every_frame=False, tone=None):
    """Written by FFmpeg: frames at their times in ms, and the sound of a tone in samples, where there is one."""
    import av

    space, span = colours
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "4"} | ({"g": "1"} if every_frame else {}))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = Fraction(1, 1000)
        if told:
            context.colorspace, context.color_range = space, span
            context.color_primaries, context.color_trc = space, space
        if aspect is not None:
            context.sample_aspect_ratio = aspect
        if tone is not None:
            put_sound(container, tone)
        for frame, time in zip(frames, times, strict=True):
            shown = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgb24")
            shown = shown.reformat(format="yuv420p", dst_colorspace=space, dst_color_range=span)
            shown.colorspace, shown.color_range = (space, span) if told else (2, 0)
            shown.pts, shown.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(shown))
        container.mux(stream.encode(None))


LASTS = [40, 100, 30, 200]
"""ms, of the frames of an animation."""


def animation(path, loop):
    """Four frames, shown so many times."""
    first, *rest = map(Image.fromarray, moving(4))
    first.save(path, save_all=True, append_images=rest, duration=LASTS, loop=loop)


def clicks(seconds=2.0, every=0.25, rate=48000):
    """Silence with a click of 2 ms every quarter of a second."""
    t = np.arange(round(seconds * rate)) / rate
    return np.where(t % every < 0.002, 0.9 * np.sin(2 * np.pi * 3000 * t), 0).astype(np.float32)


def put_sound(container, samples, codec="aac", rate=48000):
    import av

    stream = container.add_stream(codec, rate=rate)
    stream.layout = "mono"
    packed = (32767 * samples).astype(np.int16)[None]
    resampler = av.AudioResampler(stream.format, stream.layout, rate, frame_size=1024)
    frame = av.AudioFrame.from_ndarray(packed, format="s16", layout="mono")
    frame.sample_rate, frame.pts = rate, 0
    for piece in [*resampler.resample(frame), *resampler.resample(None)]:
        container.mux(stream.encode(piece))
    container.mux(stream.encode(None))


def sound(path):
    """A file without pictures."""
    import av

    with av.open(path, "w", format="mp4") as container:
        put_sound(container, clicks())


def heard(path):
    """The samples of a video's sound, from time 0 on."""
    import av

    with av.open(path) as container:
        stream = container.streams.audio[0]
        whole = np.zeros(10 * stream.rate, np.float32)
        for frame in container.decode(stream):
            first = round(frame.time * stream.rate)
            samples = frame.to_ndarray().astype(np.float32).mean(axis=0)
            whole[max(first, 0) : first + len(samples)] = samples[max(-first, 0) :]
        return whole, stream.rate


def turn(path, turns):
    """Have an MP4 say that it is to be turned clockwise, so many quarters, when it is shown."""
    one, less = (1 << 16).to_bytes(4, "big"), (-(1 << 16)).to_bytes(4, "big", signed=True)
    none = bytes(4)
    a, b, c, d = [(one, none, none, one), (none, one, less, none), (less, none, none, less), (none, less, one, none)][
        turns
    ]
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # after version, times, identity, duration, layer and volume
    data[at : at + 36] = a + b + none + c + d + none + none + none + (1 << 30).to_bytes(4, "big")
    path.write_bytes(data)
