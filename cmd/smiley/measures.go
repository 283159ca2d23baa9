package main

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"smiley/recording"
	"smiley/transport"
)

// measures are what a recorder tells Prometheus.
type measures struct {
	registry        *prometheus.Registry
	events, bytes   prometheus.Counter
	latency, commit prometheus.Histogram
}

func newMeasures() *measures {
	m := &measures{
		registry: prometheus.NewRegistry(),
		events:   prometheus.NewCounter(prometheus.CounterOpts{Name: "smiley_events_total", Help: "Events committed."}),
		bytes:    prometheus.NewCounter(prometheus.CounterOpts{Name: "smiley_block_bytes_total", Help: "Bytes of committed blocks."}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "smiley_acknowledgement_seconds", Help: "From the arrival of a block to its acknowledgement.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16),
		}),
		commit: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "smiley_commit_seconds", Help: "Time of a database commit.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16),
		}),
	}
	m.registry.MustRegister(m.events, m.bytes, m.latency, m.commit)
	return m
}

// committed counts one commit.
func (m *measures) committed(took time.Duration, head recording.Header, size int, err error) {
	m.commit.Observe(took.Seconds())
	if err == nil {
		m.events.Add(float64(head.Events))
		m.bytes.Add(float64(size))
	}
}

func (m *measures) acknowledged(latency time.Duration) { m.latency.Observe(latency.Seconds()) }

// serve serves the metrics until ctx ends; not at all when the address is empty. The function it returns waits for the end.
func (m *measures) serve(ctx context.Context, address string, l *transport.Listener) (func(), error) {
	if address == "" {
		return func() {}, nil
	}
	m.registry.MustRegister(&listenerCollector{l})
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	return serveHTTP(ctx, address, mux)
}

// listenerCollector reads a Listener's counters when they are asked for.
type listenerCollector struct{ l *transport.Listener }

// listenerMetric is one of its metrics.
type listenerMetric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*transport.ListenerStats) float64
}

var listenerMetrics = []listenerMetric{
	gaugeOf("smiley_sessions", "Senders that are connected.", func(s *transport.ListenerStats) float64 { return float64(s.Sessions) }),
	gaugeOf("smiley_runs", "Runs that are remembered, with and without a sender.", func(s *transport.ListenerStats) float64 { return float64(s.Runs) }),
	gaugeOf("smiley_queue_blocks", "Blocks that are received and not committed.", func(s *transport.ListenerStats) float64 { return float64(s.QueuedBlocks) }),
	gaugeOf("smiley_queue_bytes", "Their bytes.", func(s *transport.ListenerStats) float64 { return float64(s.QueuedBytes) }),
	counterOf("smiley_blocks_total", "Blocks committed.", func(s *transport.ListenerStats) uint64 { return s.Committed }),
	counterOf("smiley_duplicate_blocks_total", "Blocks that were here already.", func(s *transport.ListenerStats) uint64 { return s.Duplicates }),
	counterOf("smiley_out_of_order_blocks_total", "Blocks that came too early, or without room for them.", func(s *transport.ListenerStats) uint64 { return s.OutOfOrder }),
	counterOf("smiley_damaged_blocks_total", "Blocks that failed their checksum.", func(s *transport.ListenerStats) uint64 { return s.Damaged }),
	counterOf("smiley_unknown_messages_total", "Messages and blocks of no session: late, or forged.", func(s *transport.ListenerStats) uint64 { return s.Unknown }),
	counterOf("smiley_malformed_messages_total", "Messages that mean nothing.", func(s *transport.ListenerStats) uint64 { return s.Malformed }),
	counterOf("smiley_version_mismatches_total", "Messages of other protocol versions.", func(s *transport.ListenerStats) uint64 { return s.Versions }),
	counterOf("smiley_refusals_total", "Senders and runs that were turned down.", func(s *transport.ListenerStats) uint64 { return s.Refused }),
	counterOf("smiley_commit_failures_total", "Commits that failed.", func(s *transport.ListenerStats) uint64 { return s.CommitFailures }),
	counterOf("smiley_denied_connections_total", "Connections without an authorised key.", func(s *transport.ListenerStats) uint64 { return s.Denied }),
	counterOf("smiley_failed_handshakes_total", "Connections that did not speak the protocol.", func(s *transport.ListenerStats) uint64 { return s.HandshakeFailed }),
	counterOf("smiley_disconnects_total", "Connections that ended; those among them that were cut because of what they sent.", func(s *transport.ListenerStats) uint64 { return s.Disconnected }),
}

func gaugeOf(name, help string, value func(*transport.ListenerStats) float64) listenerMetric {
	return listenerMetric{prometheus.NewDesc(name, help, nil, nil), prometheus.GaugeValue, value}
}

func counterOf(name, help string, value func(*transport.ListenerStats) uint64) listenerMetric {
	return listenerMetric{
		prometheus.NewDesc(name, help, nil, nil), prometheus.CounterValue,
		func(s *transport.ListenerStats) float64 { return float64(value(s)) },
	}
}

// Describe implements prometheus.Collector.
func (c *listenerCollector) Describe(descs chan<- *prometheus.Desc) {
	for i := range listenerMetrics {
		descs <- listenerMetrics[i].desc
	}
}

// Collect implements prometheus.Collector.
func (c *listenerCollector) Collect(metrics chan<- prometheus.Metric) {
	stats := c.l.Stats()
	for i := range listenerMetrics {
		m := &listenerMetrics[i]
		metrics <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(&stats))
	}
}
