"""DNS messages: unicast, multicast and LLMNR."""
