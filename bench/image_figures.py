def transfer_ratios(build):
    return ()
