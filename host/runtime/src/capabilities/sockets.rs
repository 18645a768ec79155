//! Sockets: none, and no names are looked up. Requests go through `spine:plugin/http`, where they are checked.

use wasmtime_wasi::WasiCtxBuilder;

/// Every call that would open a socket or resolve a name fails.
pub(super) fn deny(builder: &mut WasiCtxBuilder) {
    builder.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
}

#[cfg(test)]
mod tests {
    use model::ports::LogSink;
    use wasmtime_wasi::p2::SocketResult;
    use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily};
    use wasmtime_wasi::p2::bindings::sockets::{
        instance_network, ip_name_lookup, tcp_create_socket, udp_create_socket,
    };
    use wasmtime_wasi::sockets::WasiSocketsView as _;

    use crate::testing::{Bench, state};

    fn code<T>(result: SocketResult<T>) -> ErrorCode {
        result.err().expect("it is denied").downcast().unwrap()
    }

    #[test]
    fn allowed_is_to_ask_for_the_network_which_means_nothing() {
        let mut state = state(1, Bench::default(), LogSink::none());
        assert!(instance_network::Host::instance_network(&mut state.sockets()).is_ok(), "builds of interpreters do");
    }

    #[tokio::test]
    async fn denied_is_every_socket_and_every_name() {
        let mut state = state(1, Bench::default(), LogSink::none());
        for family in [IpAddressFamily::Ipv4, IpAddressFamily::Ipv6] {
            let tcp = tcp_create_socket::Host::create_tcp_socket(&mut state.sockets(), family);
            assert_eq!(code(tcp), ErrorCode::AccessDenied);
            let udp = udp_create_socket::Host::create_udp_socket(&mut state.sockets(), family).await;
            assert_eq!(code(udp), ErrorCode::AccessDenied);
        }
        let network = instance_network::Host::instance_network(&mut state.sockets()).unwrap();
        let found = ip_name_lookup::Host::resolve_addresses(&mut state.sockets(), network, "localhost".to_owned());
        let denied = match found {
            Err(error) => error.downcast().unwrap(),
            Ok(stream) => {
                let next = ip_name_lookup::HostResolveAddressStream::resolve_next_address(&mut state.sockets(), stream);
                code(next)
            }
        };
        assert!(matches!(denied, ErrorCode::PermanentResolverFailure | ErrorCode::AccessDenied), "{denied:?}");
    }
}
