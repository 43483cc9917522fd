# A small image of Berth: the binary, the C library it runs on, an empty /data, and nothing else.
#
#   docker build -t berth .
#   docker run -p 8080:8080 -v berth:/data berth
#   docker run -p 9000:9000 berth -p 9000 --network 10.0.0.0/16        flags alone are those of `berth serve`
#   docker run --network host berth pool list                          the same binary is the command line
#
# A container must listen beyond loopback, and as it is here it asks for no token and speaks no TLS: whoever reaches the
# published port can give out and release addresses. Berth says so in its log at each start. With BERTH_INSECURE empty it
# wants both: --auth required, --tls-cert, --tls-key.
ARG SWIFT_IMAGE=swift:6.3-bookworm
FROM ${SWIFT_IMAGE} AS build
RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
  libsqlite3-dev libssl-dev libzstd-dev make && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY Package.swift Makefile ./
COPY Sources Sources
COPY Tests Tests
COPY Benchmarks Benchmarks
RUN make build && Tests/image-root.sh .build/release/berth /image

FROM scratch
COPY --from=build /image /
USER 65532:65532
ENV BERTH_LISTEN=0.0.0.0:8080 BERTH_INSECURE=1 BERTH_DATA_DIR=/data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["/berth"]
CMD ["serve"]
