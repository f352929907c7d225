# Two stages: build everything with scripts/build-release (which scripts/test exercises), ship only its folder.
FROM rust:1.95-bookworm AS build
WORKDIR /source
COPY . .
RUN scripts/build-release /out

FROM debian:bookworm-slim
RUN useradd --system --home-dir /var/lib/wattgate --create-home wattgate
COPY --from=build /out /opt/wattgate
USER wattgate
WORKDIR /var/lib/wattgate
VOLUME /var/lib/wattgate
# REST API; concentrators dialling in.
EXPOSE 8080 7376
# No HEALTHCHECK: the image holds no HTTP client. The orchestrator probes GET /healthz and GET /readyz on port 8080.
ENTRYPOINT ["/opt/wattgate/bin/wattgate"]
CMD ["serve", "--config", "/opt/wattgate/config/production.toml"]
