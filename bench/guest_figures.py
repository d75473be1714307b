def start_ratios(build):
    return ()


def agent_memory(build):
    return ()
