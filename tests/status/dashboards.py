# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The series that the dashboards of go-libp2p ask for: the names in the queries of
C{dashboards/*/*.json} of its repository, as of July 2026.
"""

from __future__ import annotations

from typing import Final

__all__ = ["MISSING", "SERIES"]

#: The names in the queries.
SERIES: Final = (
    "libp2p_autonat_next_probe_timestamp",
    "libp2p_autonat_outgoing_dial_refused_total",
    "libp2p_autonat_outgoing_dial_response_total",
    "libp2p_autonat_reachability_status",
    "libp2p_autonat_reachability_status_confidence",
    "libp2p_autonat_received_dial_response_total",
    "libp2p_autonatv2_client_requests_completed_total",
    "libp2p_autonatv2_client_requests_total",
    "libp2p_autonatv2_requests_completed_total",
    "libp2p_autorelay_candidate_loop_state",
    "libp2p_autorelay_candidates_circuit_v2_support_total",
    "libp2p_autorelay_candidates_total",
    "libp2p_autorelay_desired_reservations",
    "libp2p_autorelay_relay_addresses_count",
    "libp2p_autorelay_relay_addresses_updated_total",
    "libp2p_autorelay_reservation_requests_outcome_total",
    "libp2p_autorelay_reservations_closed_total",
    "libp2p_autorelay_reservations_opened_total",
    "libp2p_autorelay_scheduled_work_time",
    "libp2p_autorelay_status",
    "libp2p_eventbus_events_emitted_total",
    "libp2p_eventbus_subscriber_event_queued",
    "libp2p_eventbus_subscriber_queue_full",
    "libp2p_eventbus_subscriber_queue_length",
    "libp2p_eventbus_subscribers_total",
    "libp2p_holepunch_address_outcomes_total",
    "libp2p_holepunch_direct_dials_total",
    "libp2p_holepunch_outcomes_total",
    "libp2p_host_addrs_reachable",
    "libp2p_host_addrs_unknown",
    "libp2p_host_addrs_unreachable",
    "libp2p_identify_addrs_count",
    "libp2p_identify_addrs_received_bucket",
    "libp2p_identify_conn_push_support_total",
    "libp2p_identify_identify_push_total",
    "libp2p_identify_identify_pushes_triggered_total",
    "libp2p_identify_identify_total",
    "libp2p_identify_protocols_count",
    "libp2p_identify_protocols_received_bucket",
    "libp2p_rcmgr_blocked_resources",
    "libp2p_rcmgr_connections",
    "libp2p_rcmgr_fds",
    "libp2p_rcmgr_memory",
    "libp2p_rcmgr_peer_connections_bucket",
    "libp2p_rcmgr_peer_memory_bucket",
    "libp2p_rcmgr_peer_memory_count",
    "libp2p_rcmgr_peer_streams_bucket",
    "libp2p_rcmgr_previous_peer_connections_bucket",
    "libp2p_rcmgr_previous_peer_memory_bucket",
    "libp2p_rcmgr_previous_peer_memory_count",
    "libp2p_rcmgr_previous_peer_streams_bucket",
    "libp2p_rcmgr_streams",
    "libp2p_relaysvc_connection_duration_seconds_count",
    "libp2p_relaysvc_connection_duration_seconds_sum",
    "libp2p_relaysvc_connection_rejections_total",
    "libp2p_relaysvc_connection_request_response_status_total",
    "libp2p_relaysvc_connections_total",
    "libp2p_relaysvc_data_transferred_bytes_total",
    "libp2p_relaysvc_reservation_rejections_total",
    "libp2p_relaysvc_reservation_request_response_status_total",
    "libp2p_relaysvc_reservations_total",
    "libp2p_relaysvc_status",
    "libp2p_swarm_black_hole_filter_next_request_allowed_after",
    "libp2p_swarm_black_hole_filter_state",
    "libp2p_swarm_black_hole_filter_success_fraction",
    "libp2p_swarm_connection_duration_seconds_bucket",
    "libp2p_swarm_connections_closed_total",
    "libp2p_swarm_connections_opened_total",
    "libp2p_swarm_dial_errors_total",
    "libp2p_swarm_dial_latency_seconds_bucket",
    "libp2p_swarm_dial_ranking_delay_seconds_bucket",
    "libp2p_swarm_dials_per_peer_total",
    "libp2p_swarm_handshake_latency_seconds_bucket",
    "libp2p_swarm_key_types_total",
)

#: Those that a node of ours does not have, and why.
MISSING: Final = {
    "libp2p_autonat_next_probe_timestamp": "servers are asked as peers come",
    "libp2p_autonat_reachability_status_confidence": "verdicts have no number",
    "libp2p_autorelay_candidate_loop_state": "events choose relays, without a loop",
    "libp2p_autorelay_scheduled_work_time": "the same",
    "libp2p_eventbus_subscriber_event_queued": "events are delivered at once",
    "libp2p_eventbus_subscriber_queue_full": "the same",
    "libp2p_eventbus_subscriber_queue_length": "the same",
}
