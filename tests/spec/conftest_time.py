import time, pytest
@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    a=time.process_time(); w=time.time()
    try:
        return (yield)
    finally:
        print(f"\n{item.name} cpu {time.process_time()-a:.2f} wall {time.time()-w:.2f}")
