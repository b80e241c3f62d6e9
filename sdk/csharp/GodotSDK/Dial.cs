#nullable enable
using System;
using System.Threading.Tasks;

namespace GodotSDK
{
    /// <summary>Who makes attempts. The calls come under its lock.</summary>
    internal interface IDialer
    {
        void Received(Dial dial, string text);

        void Malformed(Dial dial, string why);

        void Ended(Dial dial, LinkEnd end);

        void TimedOut(Dial dial);
    }

    /// <summary>One attempt and its link, from its start to its end.</summary>
    internal sealed class Dial : ILinkListener
    {
        private readonly IDialer dialer;
        private readonly object gate;
        private readonly IClock clock;
        private readonly Func<Task> spaceAsync;
        private IDisposable? timer;
        private ILink? link;
        private double heardAt;
        private bool isHeldBack;

        public Dial(LinkRequest request, IDialer dialer, object gate, IClock clock, Func<Task> spaceAsync)
        {
            Request = request;
            this.dialer = dialer;
            this.gate = gate;
            this.clock = clock;
            this.spaceAsync = spaceAsync;
        }

        public LinkRequest Request { get; }

        public bool IsOpened { get; private set; }

        /// <summary>When anything came. While this side does not read on, silence says nothing about the other.</summary>
        public double HeardAt => isHeldBack ? clock.NowMs : heardAt;

        public void Start(LinkFactory make, TimeSpan limit)
        {
            timer = clock.After(limit.TotalMilliseconds, () =>
            {
                lock (gate) if (timer != null) dialer.TimedOut(this);
            });
            link = make(Request, this);
        }

        /// <summary>The welcome came, or the end: the time limit for it is over.</summary>
        public void StopTimer()
        {
            timer?.Dispose();
            timer = null;
        }

        public bool Send(string text) => link!.Send(text);

        public Task CloseAsync(int code, string reason)
        {
            StopTimer();
            return link?.CloseAsync(code, reason) ?? Task.CompletedTask;
        }

        void ILinkListener.Opened()
        {
            lock (gate) IsOpened = true;
        }

        async Task ILinkListener.ReceivedAsync(string text)
        {
            lock (gate)
            {
                heardAt = clock.NowMs;
                dialer.Received(this, text);
            }
            var space = spaceAsync();
            if (space.IsCompleted) return;
            lock (gate) isHeldBack = true;
            await space.ConfigureAwait(false);
            lock (gate)
            {
                heardAt = clock.NowMs;
                isHeldBack = false;
            }
        }

        void ILinkListener.Malformed(string why)
        {
            lock (gate)
            {
                heardAt = clock.NowMs;
                dialer.Malformed(this, why);
            }
        }

        void ILinkListener.Ended(LinkEnd end)
        {
            lock (gate)
            {
                StopTimer();
                dialer.Ended(this, end);
            }
        }
    }
}
