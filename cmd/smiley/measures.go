package main

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"smiley/recording"
	"smiley/store"
	"smiley/transport"
)

// measures are what a recorder tells Prometheus.
type measures struct {
	registry                  *prometheus.Registry
	begun, ended, interrupted prometheus.Counter
	events, bytes, lost       prometheus.Counter
	latency, commit           prometheus.Histogram

	mu   sync.Mutex
	runs map[recording.RunID]uint64 // that are being recorded: the events that were dropped until now
}

func newMeasures() *measures {
	m := &measures{
		registry:    prometheus.NewRegistry(),
		runs:        map[recording.RunID]uint64{},
		begun:       total("smiley_runs_begun_total", "Runs whose first block was committed."),
		ended:       total("smiley_runs_completed_total", "Runs whose last block was committed."),
		interrupted: total("smiley_runs_interrupted_total", "Runs whose sender was gone before their last block was committed. What is delivered later may complete them."),
		events:      total("smiley_events_total", "Events committed."),
		lost:        total("smiley_dropped_events_total", "Events that were given up before they became a block, as the committed blocks tell."),
		bytes:       total("smiley_block_bytes_total", "Bytes of committed blocks."),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "smiley_acknowledgement_seconds", Help: "From the arrival of a block to its acknowledgement.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16),
		}),
		commit: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "smiley_commit_seconds", Help: "Time of a database commit.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 16),
		}),
	}
	m.registry.MustRegister(m.begun, m.ended, m.interrupted, m.events, m.lost, m.bytes, m.latency, m.commit)
	return m
}

func total(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
}

// committed counts one commit.
func (m *measures) committed(took time.Duration, head recording.Header, size int, err error) {
	m.commit.Observe(took.Seconds())
	if err != nil {
		return
	}
	m.events.Add(float64(head.Events))
	m.bytes.Add(float64(size))
	if head.Number == 0 {
		m.begun.Inc()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if before := m.runs[head.Run]; head.Dropped > before { // a block says what its run has lost from the beginning
		m.lost.Add(float64(head.Dropped - before))
	}
	if m.runs[head.Run] = head.Dropped; head.Final {
		m.ended.Inc()
		delete(m.runs, head.Run)
	}
}

// resume takes note of what a run had lost already when its next block is the first that this recorder gets of it, or the first
// since it was interrupted.
func (m *measures) resume(ctx context.Context, reader *store.Reader, encoded []byte) {
	head, err := recording.ParseHeader(encoded)
	if err != nil || head.Number == 0 || m.knows(head.Run) {
		return
	}
	lost := head.Dropped
	if run, err := reader.Run(ctx, head.Run); err == nil { // what stands in the way of that is for Append to say
		lost = run.Ledger.Dropped
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.runs[head.Run] = lost
}

// knows reports whether a run is being recorded.
func (m *measures) knows(run recording.RunID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.runs[run]
	return ok
}

// gone takes note that the sender of a run is gone.
func (m *measures) gone(run recording.RunID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.runs[run]; ok { // else it is complete
		m.interrupted.Inc()
		delete(m.runs, run)
	}
}

func (m *measures) acknowledged(latency time.Duration) { m.latency.Observe(latency.Seconds()) }

// serve serves the metrics until ctx ends; not at all when the address is empty. It returns where, and a function that waits for
// the end.
func (m *measures) serve(ctx context.Context, address string, l *transport.Listener) (at string, wait func(), err error) {
	if address == "" {
		return "", func() {}, nil
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
	gaugeOf("smiley_watchers", "Monitors that look on.", func(s *transport.ListenerStats) float64 { return float64(s.Watchers) }),
	counterOf("smiley_watched_blocks_total", "Blocks sent to monitors.", func(s *transport.ListenerStats) uint64 { return s.Watched }),
	counterOf("smiley_watch_skipped_blocks_total", "Blocks left out because a monitor was too slow, or had just joined.", func(s *transport.ListenerStats) uint64 { return s.WatchSkipped }),
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
