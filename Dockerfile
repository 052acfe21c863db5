# The image holds lastbeat, its shared libraries, certificates and rules: nothing else, no shell. The C library is linked
# dynamically, because a static one resolves names differently.
#
#   docker build -t lastbeat .
#   docker run --rm --read-only -v lastbeat_data:/data -p 9090:9090 \
#     -e NATS_URL=nats://... -e NATS_USER=... -e ACCESS_TOKEN -e SENTRY_DSN lastbeat
#
# Mount a folder over /etc/lastbeat/rules for rules of your own. `docker run --rm lastbeat check` checks them.

# By digest, that of the list of all architectures: what was built today is built tomorrow. Dependabot moves it.
FROM docker.io/library/rust:1.95.0-bookworm@sha256:6258907abe69656e41cd992e0b705cdcfabcbbe3db374f92ed2d47121282d4a1 AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
WORKDIR /src

# The dependencies alone, with an empty program: this layer is rebuilt only when they change.
COPY Cargo.toml Cargo.lock ./
COPY benches benches
RUN mkdir src \
 && echo 'fn main() {}' > src/main.rs \
 && touch src/lib.rs \
 && cargo build --locked --profile dist --bin lastbeat

# The copied files may be older than the empty program's build, and cargo would skip them.
COPY src src
ARG REVISION=unknown
RUN touch src/main.rs src/lib.rs \
 && LASTBEAT_REVISION=$REVISION cargo build --locked --profile dist --bin lastbeat

# The final file system: the program, its shared libraries, the certificates and the folder of the state.
RUN mkdir -p /state/data /image/usr/local/bin /image/etc/ssl/certs \
 && cp target/dist/lastbeat /image/usr/local/bin/ \
 && ldd target/dist/lastbeat | grep -o '/[^ ]*' | xargs cp --dereference --parents --target-directory /image \
 && cp --dereference /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
 && echo 'hosts: files dns' > /image/etc/nsswitch.conf

FROM scratch
COPY --from=build /image /
COPY --from=build --chown=65532:65532 /state /
COPY LICENSE /
COPY rules /etc/lastbeat/rules
ENV LASTBEAT_RULES=/etc/lastbeat/rules
# Numbers, so that an orchestrator sees that it is not root.
USER 65532:65532
VOLUME /data
EXPOSE 9090
# No HEALTHCHECK: it would start a second program each time. Probe /healthz and /readyz instead.
HEALTHCHECK NONE
ENTRYPOINT ["/usr/local/bin/lastbeat"]
CMD ["run"]
