# docker build -t segibn .                     PyTorch as the usual wheels bring it: CUDA, and it runs on a CPU
# docker build -t segibn-cpu --build-arg PIP_EXTRA_INDEX_URL=ADDRESS .    ADDRESS: PyTorch's of CPU wheels
# docker run --rm -v "$PWD/my_frames:/frames:ro" -v "$PWD/out:/out" segibn predict /frames --output /out
# docker run --rm --gpus all --shm-size 8g -v /data:/data:ro -v "$PWD/runs:/runs" segibn train gta5_ibn \
#     --datasets /data --output /runs/gta5_ibn
FROM python:3.12-slim

ARG PIP_EXTRA_INDEX_URL=""
ARG EXTRAS="all"
ENV PIP_NO_CACHE_DIR=1 PYTHONUNBUFFERED=1 SEGIBN_CACHE=/tmp/segibn

WORKDIR /src
COPY pyproject.toml setup.py setup.cfg README.md LICENSE ./
COPY segibn segibn
COPY painted_scenes painted_scenes
COPY configs configs
COPY models models
RUN pip install ".[${EXTRAS}]" && rm -rf /src

RUN useradd --create-home segibn
USER segibn
WORKDIR /home/segibn
ENTRYPOINT ["segibn"]
CMD ["--help"]
