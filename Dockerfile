# facedeblur in a container. Linted here, never built here: untested.
#
#   docker build -t facedeblur .                                                      the CPU
#   docker build -t facedeblur --build-arg BASE=nvidia/cuda:13.0.1-base-ubuntu24.04 \
#                --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130 .     a GPU (docker run --gpus all)
#   docker run --rm -v "$PWD:/work" facedeblur deblur photo.jpg -o photo.png
#   docker run --rm -p 127.0.0.1:7860:7860 facedeblur serve --host 0.0.0.0
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG EXTRAS=faces,heif,serve,train

ENV PIP_NO_CACHE_DIR=1 \
    PYTHONUNBUFFERED=1 \
    NO_ALBUMENTATIONS_UPDATE=1 \
    PATH=/opt/facedeblur/bin:$PATH

# the slim Python image has an interpreter; CUDA's does not
# hadolint ignore=DL3008
RUN command -v python3 >/dev/null || (apt-get update \
    && apt-get install --yes --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*)

WORKDIR /src
COPY constraints.txt ./
RUN python3 -m venv /opt/facedeblur \
    && pip install --index-url "${TORCH_INDEX}" "$(grep '^torch==' constraints.txt)"
COPY pyproject.toml README.md LICENSE ./
COPY facedeblur facedeblur
COPY hydra_plugins hydra_plugins
COPY conf conf
# the versions were tested together on Python 3.11; another Python takes the ranges of pyproject.toml
# hadolint ignore=DL3013
RUN if python3 -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; \
    then pip install -c constraints.txt ".[${EXTRAS}]"; else pip install ".[${EXTRAS}]"; fi

RUN useradd --create-home --uid 1001 facedeblur
USER 1001
WORKDIR /work
ENTRYPOINT ["facedeblur"]
CMD ["--help"]
